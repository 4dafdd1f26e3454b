import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { openState } from '../../../adapters/state/open.ts';
import { startPostgres } from '../../support/postgres.ts';
import type { Postgres } from '../../support/postgres.ts';
import { KIND, at, counts, host, report } from './samples.ts';

let postgres: Postgres;

beforeAll(async () => {
  postgres = await startPostgres();
});

afterAll(async () => {
  await postgres[Symbol.asyncDispose]();
});

/** A session of somebody else in the same database. */
async function connect(url: string): Promise<Client & AsyncDisposable> {
  const client = new Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() });
}

function open(url: string, waitMs = 5000) {
  return openState(url, { cwd: '/', waitMs });
}

describe('openState on PostgreSQL', () => {
  it('makes the schema once when many open an empty database at the same moment', async () => {
    const url = await postgres.newDatabase();
    const states = await Promise.all(Array.from({ length: 8 }, () => open(url)));
    await Promise.all(states.map((state) => state[Symbol.asyncDispose]()));
    expect(new Set(states.map(({ instanceId }) => instanceId)).size).toBe(1);
  });

  it.each([
    { case: 'a wrong password', change: { password: 'wrong' }, code: 'state/denied' },
    { case: 'a user that is not there', change: { username: 'nobody' }, code: 'state/denied' },
    { case: 'a database that is not there', change: { pathname: '/no' }, code: 'state/url' },
    {
      case: 'a server without TLS where TLS is asked for',
      change: { search: '?sslmode=verify-full' },
      code: 'state/unavailable',
    },
    {
      case: 'a schema that is not there',
      change: { search: '?options=-csearch_path%3Dnowhere' },
      code: 'state/url',
    },
  ])('refuses $case with $code, and keeps the password to itself', async ({ change, code }) => {
    const url = new URL(await postgres.newDatabase());
    Object.assign(url, change);
    const error: unknown = await open(url.href).catch((refused: unknown) => refused);
    expect(error).toMatchObject({ code });
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain(url.password);
  });

  it('refuses the database of another program, and writes nothing to it', async () => {
    const url = await postgres.newDatabase();
    await using other = await connect(url);
    await other.query('create table hosts (name text)');
    await expect(open(url)).rejects.toMatchObject({ code: 'state/damaged' });
    const { rows } = await other.query(
      `select tablename from pg_tables where schemaname = 'public'`,
    );
    expect(rows).toEqual([{ tablename: 'hosts' }]);
  });

  it('refuses a database that a newer program has changed', async () => {
    const url = await postgres.newDatabase();
    await (await open(url))[Symbol.asyncDispose]();
    await using newer = await connect(url);
    await newer.query(`insert into tidegate_migration values ('9999-later', '2030-01-01')`);
    await expect(open(url)).rejects.toMatchObject({ code: 'state/newer' });
  });

  it('keeps two states in two schemas of one database apart, beside views and foreign schemas', async () => {
    const url = await postgres.newDatabase();
    await using admin = await connect(url);
    await admin.query('create schema one; create schema two; create view one.seen as select 1');
    await using one = await open(`${url}?options=-csearch_path%3Done`);
    await using two = await open(`${url}?options=-csearch_path%3Dtwo`);
    await one.touchHosts([host('h1')]);
    expect(await two.findHost('h1')).toBeNull();
    expect(one.instanceId).not.toBe(two.instanceId);
  });

  it('orders ids by their bytes, whatever language the database was made for', async () => {
    await using state = await open(await postgres.newDatabase());
    const ids = ['b', 'B', 'a', 'A', '_', '-', 'é', 'z'];
    await state.touchHosts(ids.map((id) => host(id)));
    const page = await state.hostsOf(KIND, { after: null, limit: 100 });
    expect(page.map(({ id }) => id)).toEqual(['-', 'A', 'B', '_', 'a', 'b', 'z', 'é']);
  });
});

describe('a PostgreSQL database that others use', () => {
  /** Holds the lock that every transaction that writes takes first. */
  const HOLD = `select pg_advisory_lock(hashtextextended('public/tidegate/writer', 0))`;

  it('is busy after the wait for writers, is read meanwhile, and then written again', async () => {
    const url = await postgres.newDatabase();
    await using state = await open(url, 50);
    await state.touchHosts([host('h1')]);
    {
      await using holder = await connect(url);
      await holder.query(HOLD);
      const late = Array.from({ length: 20 }, (_, index) =>
        state.recordReports('h2', [report(`${index}`)], at(0)),
      );
      const settled = Promise.allSettled(late);
      expect(await state.findHost('h1')).toMatchObject({ id: 'h1' });
      for (const result of await settled) {
        expect(result).toMatchObject({ reason: { code: 'state/busy' } });
      }
    }
    expect(await state.recordReports('h2', [report('1')], at(0))).toBe(1);
  });

  it('is written by itself after a deadlock in which the state was the victim', async () => {
    const url = await postgres.newDatabase();
    await using state = await open(`${url}?options=-cdeadlock_timeout%3D10`);
    await state.recordReports('h1', [report('1')], at(0));
    await using other = await connect(url);
    await other.query('set deadlock_timeout = 60000; begin');
    await other.query('select * from rollout_counts for update');
    const waiting = state.recordReports('h2', [report('1')], at(0));
    await until(other, `select 1 from pg_locks where not granted`);
    // Now each waits for what the other holds; the state notices first and starts again.
    await other.query(HOLD.replace('pg_advisory_lock', 'pg_advisory_xact_lock'));
    await other.query('commit');
    expect(await waiting).toBe(1);
    expect(await state.countsOf('r1')).toEqual(counts({ updated: 2 }));
  });

  it('fails the call under way when an administrator ends every session, and goes on by itself', async () => {
    const url = await postgres.newDatabase();
    await using state = await open(url);
    await Promise.all(Array.from({ length: 20 }, () => state.countsOf('r1')));
    await using admin = await connect(url);
    await using holder = await connect(url);
    await holder.query(HOLD);
    const [broken] = await Promise.allSettled([
      state.recordReports('h1', [report('1')], at(0)),
      (async () => {
        await until(admin, `select 1 from pg_locks where not granted`);
        await admin.query(
          `select pg_terminate_backend(pid) from pg_stat_activity
           where datname = current_database() and pid <> pg_backend_pid()`,
        );
      })(),
    ]);
    expect(broken).toMatchObject({ reason: { code: 'state/unavailable' } });
    // Sessions that nobody used have ended, too, which the state may learn by using them.
    expect(await untilItWorks(() => state.recordReports('h1', [report('1')], at(0)))).toBe(1);
    expect(await state.countsOf('r1')).toEqual(counts({ updated: 1 }));
  });
});

async function untilItWorks<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      expect(error).toMatchObject({ code: 'state/unavailable' });
    }
  }
}

/** Waits until a query finds something. */
async function until(client: Client, query: string): Promise<void> {
  for (;;) {
    const { rowCount } = await client.query(query);
    if (rowCount !== null && rowCount > 0) return;
  }
}
