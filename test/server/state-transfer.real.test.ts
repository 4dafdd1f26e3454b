import { Buffer } from 'node:buffer';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { verifyChain } from '../../core/audit.ts';
import { openState } from '../../adapters/state/open.ts';
import type { State } from '../../adapters/state/state.ts';
import { at, counts, host, record, report } from '../adapters/state/samples.ts';
import { makeWorkplace } from '../support/cli.ts';
import type { Workplace } from '../support/cli.ts';
import { startPostgres } from '../support/postgres.ts';
import type { Postgres } from '../support/postgres.ts';

const SOURCE = 'sqlite:S/state.db';
const STRANGE = 'line\nbreak \u2028 "quoted" \\ 🦊 é';

let postgres: Postgres;

beforeAll(async () => {
  postgres = await startPostgres();
});

afterAll(async () => {
  await postgres[Symbol.asyncDispose]();
});

async function fill(state: State, hosts: number): Promise<void> {
  const ids = Array.from({ length: hosts }, (_, index) => `h${index}`);
  await state.touchHosts(ids.map((id) => host(id, { group: id === 'h1' ? STRANGE : null })));
  await state.recordOffers(ids.map((hostId) => ({ rolloutId: 'r1', hostId, at: at(0) })));
  await state.recordReports('h1', [report('1', { outcome: 'failed', error: STRANGE })], at(5));
  await state.recordReports('B', [report('1')], at(-1));
  for (const id of ['v1', 'v2', 'v3']) {
    const verb = { id, json: `{ "text": "${STRANGE}" }`, acceptedAt: at(0) };
    await state.enqueueVerb(verb, record(id, { reason: STRANGE }));
  }
  await state.finishVerb('v1', { kind: 'committed' }, at(2), record('v1', { event: 'committed' }));
  const rejected = record('v2', { event: 'rejected', message: STRANGE });
  await state.finishVerb('v2', { kind: 'rejected', message: STRANGE }, at(2), rejected);
}

/** A folder with a state of 600 hosts in S/state.db. */
async function setup(): Promise<Workplace> {
  const place = await makeWorkplace();
  await using state = await openState(SOURCE, { cwd: place.folder });
  await fill(state, 600);
  return place;
}

async function exportTo(place: Workplace, file: string, url: string): Promise<string> {
  const { code, stdout, stderr } = await place.run('state', 'export', '--state', url);
  expect([code, stderr]).toEqual([0, expect.stringMatching(/^\d+ rows exported\n$/)]);
  await writeFile(join(place.folder, file), stdout);
  return stdout;
}

describe('state export and state import', () => {
  it('carry a state from SQLite to PostgreSQL and back, the same to the byte', async () => {
    await using place = await setup();
    const url = await postgres.newDatabase();
    const first = await exportTo(place, 'one.jsonl', SOURCE);
    await place.must('state', 'import', '--state', url, 'one.jsonl');
    const second = await exportTo(place, 'two.jsonl', url);
    await place.must('state', 'import', '--state', 'sqlite:T/state.db', 'two.jsonl');
    const third = await exportTo(place, 'three.jsonl', 'sqlite:T/state.db');
    expect(second).toBe(first);
    expect(third).toBe(first);
    await using from = await openState(SOURCE, { cwd: place.folder });
    await using to = await openState(url, { cwd: place.folder });
    expect(to.instanceId).toBe(from.instanceId);
    expect(await to.countsOf('r1')).toEqual(counts({ offered: 599, failed: 1, updated: 1 }));
    expect(await to.findHost('h1')).toEqual(await from.findHost('h1'));
    expect(await to.recentVerbs(10)).toEqual(await from.recentVerbs(10));
    // It goes on where the other one was: the same report is known, and verbs are numbered on.
    expect(await to.recordReports('h1', [report('1')], at(9))).toBe(0);
    const next = await to.enqueueVerb({ id: 'v4', json: '{}', acceptedAt: at(0) }, record('v4'));
    expect(next.sequence).toBe(4);
    const log = await to.auditEntries({ after: 0, limit: 100 });
    expect(log.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(verifyChain(log)).toMatchObject({ kind: 'intact' });
  });

  it.each(['sqlite', 'postgres'])(
    'read one moment of a %s state that is written meanwhile',
    async (engine) => {
      await using place = await setup();
      const url = engine === 'sqlite' ? SOURCE : await postgres.newDatabase();
      await using state = await openState(url, { cwd: place.folder });
      if (engine === 'postgres') await fill(state, 600);
      const exporting = exportTo(place, 'one.jsonl', url);
      const over = new AbortController();
      const writing = writeUntil(over.signal, state);
      await Promise.allSettled([exporting]);
      over.abort();
      await writing;
      const text = await exporting;
      const ofKind = (table: string) =>
        text
          .split('\n')
          .filter((line) => line.includes(`"table":"${table}"`) && line.includes('"r2"'));
      const [count = '{"row":{"updated":0}}'] = ofKind('rollout_counts');
      expect(JSON.parse(count)).toMatchObject({ row: { updated: ofKind('reports').length } });
      expect(ofKind('progress')).toHaveLength(ofKind('reports').length);
    },
  );

  it.each(['sqlite', 'postgres'])('refuse to mix two states, in %s', async (engine) => {
    await using place = await setup();
    await exportTo(place, 'one.jsonl', SOURCE);
    const url = engine === 'sqlite' ? 'sqlite:T/state.db' : await postgres.newDatabase();
    {
      await using state = await openState(url, { cwd: place.folder });
      await state.touchHosts([host('other')]);
    }
    const { code, stderr } = await place.run('state', 'import', '--state', url, 'one.jsonl');
    expect([code, stderr]).toEqual([1, expect.stringContaining('is not empty: it has hosts')]);
    await using state = await openState(url, { cwd: place.folder });
    expect(await state.findHost('h1')).toBeNull();
  });

  it.each([
    { fault: 'was cut off', change: (lines: string[]) => lines.slice(0, -1) },
    { fault: 'lost a row', change: (lines: string[]) => lines.toSpliced(300, 1) },
    {
      fault: 'has a row twice',
      change: (lines: string[]) => lines.toSpliced(3, 0, lines[3] ?? ''),
    },
    { fault: 'has its rows in another order', change: swapped },
    { fault: 'goes on after its end', change: (lines: string[]) => [...lines, lines[1] ?? ''] },
    { fault: 'is empty', change: () => [] },
    { fault: 'is no export', change: () => ['{"hosts":[]}'] },
    { fault: 'is no JSON', change: (lines: string[]) => lines.toSpliced(1, 0, 'h1') },
    {
      fault: 'had a text changed',
      change: (lines: string[]) => lines.map((line) => line.replace('"h5"', '"h5000"')),
    },
    {
      fault: 'is of another version',
      change: (lines: string[]) => lines.map((line) => line.replace('"0001-', '"0000-')),
    },
    {
      fault: 'names a table that is none',
      change: (lines: string[]) => lines.map((line) => line.replace('"hosts"', '"sqlite_schema"')),
    },
    {
      fault: 'has another column',
      change: (lines: string[]) => lines.map((line) => line.replace('"arch"', '"arch; drop"')),
    },
  ])('keep nothing of a file that $fault', async ({ change }) => {
    await using place = await setup();
    const text = await exportTo(place, 'one.jsonl', SOURCE);
    const lines = change(text.split('\n').slice(0, -1));
    await writeFile(
      join(place.folder, 'one.jsonl'),
      Buffer.from(lines.map((l) => `${l}\n`).join('')),
    );
    const url = await postgres.newDatabase();
    for (const target of [url, 'sqlite:T/state.db']) {
      const { code, stderr } = await place.run('state', 'import', '--state', target, 'one.jsonl');
      expect([code, stderr]).toEqual([1, expect.stringMatching(/^tidegate: error: .*the export/)]);
      await using state = await openState(target, { cwd: place.folder });
      expect(await state.findHost('h1')).toBeNull();
      expect(await state.recentVerbs(1)).toEqual([]);
    }
  });

  it('make nothing where there is no state to export', async () => {
    await using place = await makeWorkplace();
    const { code, stderr } = await place.run('state', 'export', '--state', SOURCE);
    expect([code, stderr]).toEqual([1, expect.stringContaining('state.db is not there')]);
    const none = await place.run('state', 'export', '--state', await postgres.newDatabase());
    expect([none.code, none.stdout]).toEqual([1, '']);
    const missing = await place.run('state', 'import', '--state', SOURCE, 'missing.jsonl');
    expect(missing.code).toBe(2);
  });
});

async function writeUntil(over: AbortSignal, state: State): Promise<void> {
  for (let index = 0; !over.aborted; index += 1) {
    await state.recordReports(`w${index}`, [report('1', { rolloutId: 'r2' })], at(0));
    // SQLite answers without a turn of the event loop, which others need.
    await nextTurn();
  }
}

function swapped(lines: string[]): string[] {
  return lines.with(3, lines[4] ?? '').with(4, lines[3] ?? '');
}
