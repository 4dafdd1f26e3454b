import {
  chmod,
  copyFile,
  mkdir,
  readFile,
  readdir,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { openState } from '../../../adapters/state/open.ts';
import { stateOn } from '../../../adapters/state/sqlite.ts';
import { freePort } from '../../support/free-port.ts';
import { at, host, report } from './samples.ts';
import { temporaryFolder } from './test-database.ts';

const URL = 'sqlite:S/state.db';

/** A folder with a database in S/state.db that holds one host and 500 reports, closed. */
async function setup() {
  const folder = await temporaryFolder();
  const cwd = folder.path;
  const file = join(cwd, 'S/state.db');
  await using state = await openState(URL, { cwd });
  await state.touchHosts([host('h1')]);
  const error = 'x'.repeat(500);
  const reports = Array.from({ length: 500 }, (_, index) =>
    report(`${index}`, { outcome: 'failed', error }),
  );
  await state.recordReports('h1', reports, at(0));
  return { cwd, file, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

/** Root may do anything, so that a test of permissions has to be somebody else meanwhile. */
async function asNobody(work: () => Promise<void>): Promise<void> {
  if (process.geteuid?.() !== 0) return work();
  process.seteuid?.(65534);
  try {
    await work();
  } finally {
    process.seteuid?.(0);
  }
}

describe('openState', () => {
  it.each([
    { case: 'a server whose port is no number', url: 'postgres://tide:secret@127.0.0.1:x/tide' },
    { case: 'a server by the long name of its engine', url: 'postgresql://127.0.0.1:x/tide' },
    { case: 'certificates that are not there', url: 'postgres://h/d?sslrootcert=/no/such/file' },
    { case: 'an unknown engine', url: 'mysql://127.0.0.1/tide' },
    { case: 'a bare path', url: 'S/state.db' },
    { case: 'nothing', url: '' },
    { case: 'no path', url: 'sqlite:' },
    { case: 'a folder by name', url: 'sqlite:S/' },
    { case: 'a NUL in the path', url: 'sqlite:a\0b' },
    { case: 'a folder that exists', url: 'sqlite:folder' },
    { case: 'a file as folder', url: 'sqlite:file/state.db' },
    { case: 'a name that is too long', url: `sqlite:${'n'.repeat(300)}` },
  ])('refuses $case', async ({ url }) => {
    await using folder = await temporaryFolder();
    await mkdir(join(folder.path, 'folder'));
    await writeFile(join(folder.path, 'file'), '');
    await expect(openState(url, { cwd: folder.path })).rejects.toMatchObject({ code: 'state/url' });
    expect(await readdir(folder.path)).toEqual(['file', 'folder']);
  });

  it.each([
    'POSTGRES://tide:secret@127.0.0.1/tide',
    'mysql://tide:secret@127.0.0.1/tide',
    'postgres://tide:secret@127.0.0.1:x/tide',
  ])('keeps the password of %s out of all that it says', async (url) => {
    const error: unknown = await openState(url, { cwd: '/' }).catch((refused: unknown) => refused);
    expect(error).toMatchObject({ code: 'state/url' });
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain('secret');
  });

  it('says which PostgreSQL server cannot be reached, without the password', async () => {
    const port = await freePort();
    const url = `postgres://tide:secret@127.0.0.1:${port}/tide`;
    const error: unknown = await openState(url, { cwd: '/' }).catch((refused: unknown) => refused);
    expect(error).toMatchObject({
      code: 'state/unavailable',
      message: expect.stringContaining(`postgres://127.0.0.1:${port}/tide`),
    });
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain('secret');
  });

  it('makes folder and files that only their owner may read', async () => {
    await using folder = await temporaryFolder();
    const cwd = folder.path;
    await using state = await openState('sqlite:deep/S/state.db', { cwd });
    await state.touchHosts([host('h1')]);
    const modes = await Promise.all(
      ['deep', 'deep/S', 'deep/S/state.db', 'deep/S/state.db-wal', 'deep/S/state.db-shm'].map(
        async (path) => ((await stat(join(cwd, path))).mode & 0o777).toString(8),
      ),
    );
    expect(modes).toEqual(['700', '700', '600', '600', '600']);
  });

  it('keeps a write-ahead log, so that readers and the writer do not wait for each other', async () => {
    await using place = await setup();
    using other = new DatabaseSync(place.file);
    expect(other.prepare('pragma journal_mode').get()).toEqual({ journal_mode: 'wal' });
  });

  it('opens an absolute path', async () => {
    await using place = await setup();
    await using state = await openState(`sqlite:${place.file}`, { cwd: '/nowhere' });
    expect(await state.findHost('h1')).toMatchObject({ id: 'h1' });
  });

  it('gives every database in memory and every file an id of its own', async () => {
    await using one = await openState('sqlite::memory:', { cwd: '/' });
    await using two = await openState('sqlite::memory:', { cwd: '/' });
    await one.touchHosts([host('h1')]);
    expect(await two.findHost('h1')).toBeNull();
    expect(one.instanceId).not.toBe(two.instanceId);
  });

  it('refuses a file that is no database, and leaves it as it is', async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'notes.txt');
    const text = 'not a database\n'.repeat(1000);
    await writeFile(file, text);
    await expect(openState('sqlite:notes.txt', { cwd: folder.path })).rejects.toMatchObject({
      code: 'state/damaged',
    });
    expect(await readFile(file, 'utf8')).toBe(text);
    expect(await readdir(folder.path)).toEqual(['notes.txt']);
  });

  it('refuses a database that was cut off, and leaves it as it is', async () => {
    await using place = await setup();
    const { size } = await stat(place.file);
    await truncate(place.file, Math.floor(size / 2));
    const before = await readFile(place.file);
    await expect(openState(URL, { cwd: place.cwd })).rejects.toMatchObject({
      code: 'state/damaged',
    });
    expect((await readFile(place.file)).equals(before)).toBe(true);
  });

  it('reports damage that it meets later', async () => {
    await using place = await setup();
    const bytes = await readFile(place.file);
    // The schema is in the first pages; everything behind the first half holds rows.
    await writeFile(place.file, bytes.fill(0xff, Math.floor(bytes.length / 2)));
    await using state = await openState(URL, { cwd: place.cwd });
    await expect(state.failuresOf('r1', 1000)).rejects.toMatchObject({ code: 'state/damaged' });
  });

  it('refuses the database of another program, and writes nothing to it', async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'other.db');
    const other = new DatabaseSync(file);
    other.exec('create table hosts (name text); insert into hosts values (1)');
    other.close();
    await expect(openState('sqlite:other.db', { cwd: folder.path })).rejects.toMatchObject({
      code: 'state/damaged',
    });
    using again = new DatabaseSync(file);
    expect(again.prepare('select name from sqlite_schema').all()).toEqual([{ name: 'hosts' }]);
  });

  it('refuses a database that a newer program has changed', async () => {
    await using place = await setup();
    const newer = new DatabaseSync(place.file);
    newer.exec(`insert into tidegate_migration values ('9999-later', '2030-01-01T00:00:00.000Z')`);
    newer.close();
    await expect(openState(URL, { cwd: place.cwd })).rejects.toMatchObject({ code: 'state/newer' });
  });

  it('makes the schema once when many open a new file at the same moment', async () => {
    await using folder = await temporaryFolder();
    const cwd = folder.path;
    const states = await Promise.all(Array.from({ length: 8 }, () => openState(URL, { cwd })));
    const ids = new Set(states.map(({ instanceId }) => instanceId));
    await Promise.all(states.map((state) => state[Symbol.asyncDispose]()));
    expect(ids.size).toBe(1);
  });

  it('finds what an unfinished first opening left, and finishes it', async () => {
    await using place = await setup();
    // A crash between making the file and its schema leaves an empty file.
    await writeFile(join(place.cwd, 'S/empty.db'), '');
    await using state = await openState('sqlite:S/empty.db', { cwd: place.cwd });
    expect(await state.pendingVerbs()).toEqual([]);
  });

  it.each([
    { case: 'a folder that may not be written', path: 'S', mode: 0o555, url: 'sqlite:S/new.db' },
    { case: 'a folder that may not be entered', path: 'S', mode: 0o000, url: URL },
    { case: 'a file that may not be read', path: 'S/state.db', mode: 0o000, url: URL },
    { case: 'a file that may not be written', path: 'S/state.db', mode: 0o444, url: URL },
  ])('is denied $case', async ({ path, mode, url }) => {
    await using place = await setup();
    await chmod(place.cwd, 0o755);
    await chmod(join(place.cwd, 'S'), 0o755);
    await chmod(join(place.cwd, path), mode);
    await asNobody(async () => {
      await expect(openState(url, { cwd: place.cwd })).rejects.toMatchObject({
        code: 'state/denied',
      });
    });
    await chmod(join(place.cwd, 'S'), 0o755);
  });

  it('carries on after a copy of the files of a living database is put back', async () => {
    await using place = await setup();
    await using state = await openState(URL, { cwd: place.cwd });
    await state.recordReports('h2', [report('in the log')], at(0));
    for (const end of ['', '-wal'])
      await copyFile(`${place.file}${end}`, `${place.cwd}/c.db${end}`);
    await using copy = await openState('sqlite:c.db', { cwd: place.cwd });
    expect(await copy.countsOf('r1')).toEqual(await state.countsOf('r1'));
  });
});

describe('a locked database', () => {
  it('is busy after the wait at opening', async () => {
    await using place = await setup();
    using holder = new DatabaseSync(place.file);
    holder.exec('begin immediate');
    await expect(openState(URL, { cwd: place.cwd, waitMs: 20 })).rejects.toMatchObject({
      code: 'state/busy',
    });
  });

  it('is busy after the wait for writers, is read meanwhile, and then written again', async () => {
    await using place = await setup();
    await using state = await openState(URL, { cwd: place.cwd, waitMs: 20 });
    using holder = new DatabaseSync(place.file);
    holder.exec('begin immediate');
    const late = state.recordReports('h2', [report('1')], at(0));
    expect(await state.findHost('h1')).toMatchObject({ id: 'h1' });
    await expect(late).rejects.toMatchObject({ code: 'state/busy' });
    holder.exec('rollback');
    expect(await state.recordReports('h2', [report('1')], at(0))).toBe(1);
  });

  it('is written as soon as the other process lets go, and the event loop is free until then', async () => {
    await using place = await setup();
    await using state = await openState(URL, { cwd: place.cwd });
    using holder = new DatabaseSync(place.file);
    holder.exec('begin immediate');
    const waiting = state.recordReports('h2', [report('1')], at(0));
    // This line runs only because the call above does not wait inside SQLite.
    setImmediate(() => {
      holder.exec('rollback');
    });
    expect(await waiting).toBe(1);
  });
});

describe('a full disk', () => {
  it('refuses the report whole, keeps what it had, and goes on when there is room', async () => {
    using database = new DatabaseSync(':memory:');
    await using state = await stateOn(database, { source: 'sqlite::memory:', waitMs: 0 });
    await state.recordReports('h1', [report('1')], at(0));
    const { page_count: pages } = { ...database.prepare('pragma page_count').get() };
    database.exec(`pragma max_page_count = ${String(pages)}`);

    const large = Array.from({ length: 50 }, (_, index) =>
      report(`large-${index}`, { outcome: 'failed', error: 'x'.repeat(2000) }),
    );
    await expect(state.recordReports('h2', large, at(0))).rejects.toMatchObject({
      code: 'state/full',
    });
    expect(await state.failuresOf('r1', 100)).toEqual([]);
    expect(await state.countsOf('r1')).toMatchObject({ updated: 1, failed: 0 });

    database.exec('pragma max_page_count = 100000');
    expect(await state.recordReports('h2', large, at(0))).toBe(50);
    expect(await state.countsOf('r1')).toMatchObject({ updated: 1, failed: 1 });
  });
});

describe('what a power cut may take', () => {
  it('is sightings of hosts, which do not wait for the disk, and never what follows them', async () => {
    using database = new DatabaseSync(':memory:');
    database.exec('pragma synchronous = full');
    const asked: string[] = [];
    const prepare = database.prepare.bind(database);
    database.prepare = (text) => {
      if (text.startsWith('pragma synchronous')) asked.push(text);
      return prepare(text);
    };
    await using state = await stateOn(database, { source: 'sqlite::memory:', waitMs: 0 });
    const isFull = () => ({ ...prepare('pragma synchronous').get() })['synchronous'] === 2;
    await state.recordReports('h1', [report('1')], at(0));
    expect([asked, isFull()]).toEqual([[], true]);
    await state.touchHosts([host('h1')]);
    expect(asked).toEqual(['pragma synchronous = normal', 'pragma synchronous = full']);
    expect(isFull()).toBe(true);

    const { page_count: pages } = { ...prepare('pragma page_count').get() };
    database.exec(`pragma max_page_count = ${String(pages)}`);
    const many = Array.from({ length: 2000 }, (_, index) => host(`another-host-${index}`));
    await expect(state.touchHosts(many)).rejects.toMatchObject({ code: 'state/full' });
    expect(isFull()).toBe(true);
  });
});
