import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from '@jest/globals';
import { openState } from '../../../adapters/state/open.ts';
import { counts } from './samples.ts';
import { verifyChain } from '../../../core/audit.ts';
import { temporaryFolder } from './test-database.ts';

const WRITER = join(import.meta.dirname, 'writer.ts');

type Run = { readonly folder: string; readonly name: string; readonly count: number };

/** Runs a writer to its end, or to the acknowledgement at which it is killed; returns all that it acknowledged. */
async function write(run: Run, killAt = Infinity): Promise<readonly string[]> {
  const child = spawn(process.execPath, argumentsOf(run), { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = endOf(child);
  const acknowledged: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    acknowledged.push(line);
    if (acknowledged.length === killAt) child.kill('SIGKILL');
  }
  expect(await ended).toBe(killAt === Infinity ? 0 : 'SIGKILL');
  return acknowledged;
}

/** Runs a writer whose files cannot grow beyond about 300 KiB, until that stops it; returns its last words, too. */
async function writeToFullDisk(run: Run): Promise<readonly string[]> {
  const limited = `trap '' XFSZ; ulimit -f 600; exec "$0" "$@"`;
  const child = spawn('/bin/sh', ['-c', limited, process.execPath, ...argumentsOf(run)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = endOf(child);
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) lines.push(line);
  expect(await ended).toBe(1);
  return lines;
}

function argumentsOf({ folder, name, count }: Run): string[] {
  return [WRITER, folder, name, String(count)];
}

function endOf(child: ChildProcess): Promise<NodeJS.Signals | number | null> {
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      resolve(signal ?? code);
    });
  });
}

/** The acknowledged writes that are not in the database. */
function lostOf(acknowledged: readonly string[], found: Awaited<ReturnType<typeof read>>) {
  return acknowledged.filter((line) => {
    const [kind, id = ''] = line.split(' ');
    return kind === 'report' ? !found.hosts.has(id) : !found.verbs.includes(id);
  });
}

async function read(folder: string) {
  await using state = await openState('sqlite:S/state.db', { cwd: folder });
  const failures = await state.failuresOf('r1', 100_000);
  const log = await state.auditEntries({ after: 0, limit: 100_000 });
  return {
    hosts: new Set(failures.map(({ hostId }) => hostId)),
    reports: failures.length,
    counts: await state.countsOf('r1'),
    verbs: (await state.pendingVerbs()).map(({ id }) => id),
    sequences: (await state.pendingVerbs()).map(({ sequence }) => sequence),
    /** The verbs that the audit log tells of, and whether it holds together. */
    told: log.map(({ verbId }) => verbId),
    log: verifyChain(log).kind,
  };
}

function checkIntegrity(folder: string): void {
  using database = new DatabaseSync(join(folder, 'S/state.db'));
  expect(database.prepare('pragma integrity_check').all()).toEqual([{ integrity_check: 'ok' }]);
}

describe('a process that is killed', () => {
  it('loses nothing that it acknowledged, five times on one file', async () => {
    await using folder = await temporaryFolder();
    const acknowledged: string[] = [];
    for (const [round, killAt] of [1, 14, 3, 57, 30].entries()) {
      const run = { folder: folder.path, name: `round${round}`, count: 1_000_000 };
      acknowledged.push(...(await write(run, killAt)));

      const found = await read(folder.path);
      expect(lostOf(acknowledged, found)).toEqual([]);
      expect(found).toMatchObject({ told: found.verbs, log: 'intact' });
      // Counters and rows were written together, those of the last, unacknowledged report too.
      expect(found.counts).toEqual(counts({ failed: found.hosts.size }));
    }
    expect(acknowledged.length).toBeGreaterThanOrEqual(105);
    checkIntegrity(folder.path);
  });
});

describe('a process whose disk takes no more', () => {
  it('is told so, loses nothing that it acknowledged, and writes again when there is room', async () => {
    await using folder = await temporaryFolder();
    const run = { folder: folder.path, name: 'a', count: 1_000_000 };
    const lines = await writeToFullDisk(run);
    const acknowledged = lines.slice(0, -1);
    expect(acknowledged.length).toBeGreaterThan(0);
    expect(lines.at(-1)).toBe('refused state/unavailable');

    const found = await read(folder.path);
    expect(lostOf(acknowledged, found)).toEqual([]);
    expect(found.counts.failed).toBe(found.hosts.size);
    expect(found).toMatchObject({ told: found.verbs, log: 'intact' });
    checkIntegrity(folder.path);

    const later = await write({ ...run, name: 'b', count: 3 });
    expect(lostOf([...acknowledged, ...later], await read(folder.path))).toEqual([]);
  });
});

describe('several processes on one new file', () => {
  it('lose nothing and count everything once', async () => {
    await using folder = await temporaryFolder();
    const writers = ['a', 'b', 'c'];
    const count = 60;
    const acknowledged = await Promise.all(
      writers.map((name) => write({ folder: folder.path, name, count })),
    );
    const found = await read(folder.path);
    expect(acknowledged.flat()).toHaveLength(2 * 3 * count);
    expect(found.hosts.size).toBe(3 * count + 1);
    // All three sent the same reports of one host.
    expect(found.reports).toBe(3 * count + count);
    expect(found.counts.failed).toBe(3 * count + 1);
    expect(new Set(found.verbs).size).toBe(3 * count);
    expect(found.sequences).toEqual(Array.from({ length: 3 * count }, (_, index) => index + 1));
    expect(found).toMatchObject({ told: found.verbs, log: 'intact' });
    checkIntegrity(folder.path);
  });
});
