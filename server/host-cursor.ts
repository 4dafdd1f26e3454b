import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { HostFilter } from '../adapters/state/state.ts';
import { RequestError } from './errors.ts';

const cursorSchema = z.tuple([z.string(), z.string()]);

/** Where a search goes on, for the client to give back as it is; it fits to the filter that it was made for only. */
export function hostCursor(filter: HostFilter, after: string): string {
  return Buffer.from(JSON.stringify([digestOf(filter), after])).toString('base64url');
}

/** The host after which the search goes on. Throws `request/cursor`. */
export function readHostCursor(filter: HostFilter, cursor: string): string {
  const result = cursorSchema.safeParse(readJson(cursor));
  if (!result.success) throw wrong('is not one that this API gave');
  const [digest, after] = result.data;
  if (digest !== digestOf(filter)) throw wrong('was given for another filter');
  return after;
}

function digestOf(filter: HostFilter): string {
  return createHash('sha256').update(JSON.stringify(filter)).digest('base64url').slice(0, 12);
}

function readJson(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    return null;
  }
}

function wrong(why: string): RequestError {
  return new RequestError('request/cursor', `cursor: it ${why}`, {
    hints: ['begin again without a cursor'],
  });
}
