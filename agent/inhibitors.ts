import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { errnoOf } from '../adapters/storage/file-errors.ts';
import { formatInstant } from '../core/instant.ts';
import { instantSchema } from '../core/rollout.ts';
import { writeDurable } from './durable.ts';
import { onDisk } from './on-disk.ts';
import { AgentError } from './errors.ts';

const HOUR_MS = 3_600_000;
/** A file that does not say how long it holds does so for a day, so that what was forgotten ends. */
const UNSAID_MS = 24 * HOUR_MS;
/** From when the file was written, whatever it says. */
const LONGEST_MS = 30 * 24 * HOUR_MS;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

export const INHIBITED = ['prepare', 'apply', 'reboot'] as const;
/** A step that can be held back. */
export type Inhibited = (typeof INHIBITED)[number];

const sentence = z.string().regex(/^[^\p{C}]{1,500}$/u);
const fileSchema = z.strictObject({
  why: sentence.default('no reason given'),
  what: z
    .array(z.enum(INHIBITED))
    .min(1)
    .default([...INHIBITED]),
  until: instantSchema.optional(),
});

/** Something on the host that keeps it from going on, until a time. */
export type Inhibitor = {
  readonly name: string;
  readonly why: string;
  readonly what: readonly Inhibited[];
  readonly until: Date;
};

/**
 * The files of the folder that hold now, in order of their names. An empty one holds everything back for a day after it was
 * written, and so does one that makes no sense: who wrote it meant something.
 */
export async function inhibitorsOf(folder: string, now: Date): Promise<readonly Inhibitor[]> {
  const names = (await listed(folder)).filter((name) => NAME.test(name)).toSorted();
  const read = await Promise.all(names.map((name) => inhibitorOf(folder, name)));
  return read.filter((one) => one !== null).filter(({ until }) => until > now);
}

/** Writes one, durably; it replaces another of the same name. Throws `agent/config` for a name or times that make no sense. */
export async function inhibit(
  folder: string,
  { name, why, what, until }: Inhibitor,
): Promise<void> {
  requireName(name);
  if (!sentence.safeParse(why).success) {
    throw new AgentError('agent/config', 'why must be 1 to 500 characters on one line');
  }
  const text = JSON.stringify({ why, what, until: formatInstant(until) });
  await writeDurable(join(folder, name), Buffer.from(`${text}\n`));
}

/** Takes one away; says whether it was there. */
export async function uninhibit(folder: string, name: string): Promise<boolean> {
  requireName(name);
  return onDisk(`removing inhibitor ${name}`, async () => {
    const isThere = (await listed(folder)).includes(name);
    await rm(join(folder, name), { force: true });
    return isThere;
  });
}

function requireName(name: string): void {
  if (NAME.test(name) && !name.endsWith('.tmp')) return;
  throw new AgentError(
    'agent/config',
    `an inhibitor's name must be 1 to 64 letters, digits, '.', '_' or '-', got ${JSON.stringify(name.slice(0, 80))}`,
  );
}

async function listed(folder: string): Promise<readonly string[]> {
  return onDisk(`reading ${folder}`, async () => {
    try {
      // A name that is half written is that of a writer, who is about to rename it.
      return (await readdir(folder)).filter((name) => !name.endsWith('.tmp'));
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return [];
      throw error;
    }
  });
}

/** Null if it was taken away meanwhile. */
async function inhibitorOf(folder: string, name: string): Promise<Inhibitor | null> {
  const path = join(folder, name);
  return onDisk(`reading ${path}`, async () => {
    try {
      const text = await readFile(path, 'utf8');
      const { mtimeMs } = await stat(path);
      return { name, ...termsOf(text, mtimeMs) };
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return null;
      throw error;
    }
  });
}

function termsOf(text: string, writtenMs: number): Omit<Inhibitor, 'name'> {
  const unsaid = new Date(writtenMs + UNSAID_MS);
  const read = fileSchema.safeParse(text.trim() === '' ? {} : parsed(text));
  if (!read.success) {
    return { why: 'its file makes no sense', what: INHIBITED, until: unsaid };
  }
  const { why, what, until = unsaid } = read.data;
  return { why, what, until: new Date(Math.min(until.getTime(), writtenMs + LONGEST_MS)) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
