import { EventEmitter, once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { openReplicas } from '../../../adapters/state/open.ts';
import type { News, Replicas } from '../../../adapters/state/replicas.ts';
import { startPostgres } from '../../support/postgres.ts';
import type { Postgres } from '../../support/postgres.ts';

let postgres: Postgres;

beforeAll(async () => {
  postgres = await startPostgres();
});

afterAll(async () => {
  await postgres[Symbol.asyncDispose]();
});

/** One server's view, with what it was told. */
function join(url: string) {
  const replicas = openReplicas(url);
  const events = new EventEmitter();
  const news: News[] = [];
  const led: boolean[] = [];
  let listen = () => {};
  replicas.start({
    onNews: (one) => {
      news.push(one);
      listen();
      events.emit('told');
    },
    onLead: (leads) => {
      led.push(leads);
      events.emit('told');
    },
  });
  return {
    replicas,
    led,
    news: () => news.length,
    told: news,
    onNews: (listener: () => void) => {
      listen = listener;
    },
    /** Waits for events until this holds. */
    until: async (holds: () => boolean) => {
      while (!holds()) await once(events, 'told');
    },
    [Symbol.asyncDispose]: () => replicas[Symbol.asyncDispose](),
  };
}

function leaders(all: readonly { readonly replicas: Replicas }[]) {
  return all.filter(({ replicas }) => replicas.status === 'leads');
}

async function endSessions(url: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and pid <> pg_backend_pid()`,
  );
  await client.end();
}

describe('replicas on PostgreSQL', () => {
  it('have one leader, and another one as soon as it is gone', async () => {
    const url = await postgres.newDatabase();
    const first = join(url);
    await first.until(() => first.replicas.status === 'leads');
    await using second = join(url);
    await using third = join(url);
    await second.until(() => second.news() > 0);
    await third.until(() => third.news() > 0);
    const all = [first, second, third];
    expect(all.map(({ replicas }) => replicas.status)).toEqual(['leads', 'follows', 'follows']);
    await first[Symbol.asyncDispose]();
    expect(first.led).toEqual([true, false]);
    await Promise.race([
      second.until(() => second.led.length > 0),
      third.until(() => third.led.length > 0),
    ]);
    expect(leaders(all)).toHaveLength(1);
  });

  it('hear what others say, and not themselves', async () => {
    const url = await postgres.newDatabase();
    await using one = join(url);
    await using two = join(url);
    await one.until(() => one.news() === 1);
    await two.until(() => two.news() === 1);
    one.replicas.notify({ kind: 'changed' });
    await two.until(() => two.news() === 2);
    two.replicas.notify({ kind: 'changed' });
    await one.until(() => one.news() === 2);
    expect([one.news(), two.news()]).toEqual([2, 2]);
  });

  it('are told of what changed while they are being told of something', async () => {
    const url = await postgres.newDatabase();
    await using one = join(url);
    await using two = join(url);
    await one.until(() => one.news() === 1);
    await two.until(() => two.news() === 1);
    let [changes, seen] = [0, 0];
    two.onNews(() => {
      seen = changes;
    });
    for (let round = 0; round < 100; round += 1) {
      for (let change = 0; change < 2; change += 1) {
        changes += 1;
        one.replicas.notify({ kind: 'changed' });
        // As long as it takes to begin to say it, and not to be done.
        for (let turn = 0; turn < round % 5; turn += 1) await nextTurn();
      }
      await two.until(() => seen === changes);
    }
  });

  it('hear of leases, and of none whose host has too long a name', async () => {
    const url = await postgres.newDatabase();
    await using one = join(url);
    await using two = join(url);
    await one.until(() => one.news() === 1);
    await two.until(() => two.news() === 1);
    for (const hostId of ['x'.repeat(9000), 'h1']) one.replicas.notify({ kind: 'leased', hostId });
    await two.until(() => two.news() === 2);
    expect(two.told.at(-1)).toEqual({ kind: 'leased', hostId: 'h1' });
  });

  it('hear nothing of the servers of another schema, nor what they do not understand', async () => {
    const url = await postgres.newDatabase();
    await using one = join(url);
    await one.until(() => one.news() === 1);
    const client = new Client({ connectionString: url });
    await client.connect();
    for (const payload of ['other/{"kind":"changed"}', 'public/no', 'public/{"kind":"none"}']) {
      await client.query(`select pg_notify('tidegate', $1)`, [payload]);
    }
    await client.query(`select pg_notify('tidegate', 'public/{"kind":"failed"}')`);
    await client.end();
    await one.until(() => one.news() === 2);
    expect(one.told.at(-1)).toEqual({ kind: 'failed' });
  });

  it('connect again by themselves when their sessions end, and then look for what they missed', async () => {
    const url = await postgres.newDatabase();
    await using one = join(url);
    await one.until(() => one.replicas.status === 'leads');
    await endSessions(url);
    await one.until(() => one.led.length === 3);
    expect(one.led).toEqual([true, false, true]);
    expect(one.news()).toBe(2);
    await using two = join(url);
    await two.until(() => two.news() === 1);
    two.replicas.notify({ kind: 'changed' });
    await one.until(() => one.news() === 3);
  });

  it('lead each schema of one database by itself', async () => {
    const url = await postgres.newDatabase();
    const client = new Client({ connectionString: url });
    await client.connect();
    await client.query('create schema one; create schema two');
    await client.end();
    await using one = join(`${url}?options=-csearch_path%3Done`);
    await using two = join(`${url}?options=-csearch_path%3Dtwo`);
    await one.until(() => one.replicas.status === 'leads');
    await two.until(() => two.replicas.status === 'leads');
  });

  it('wait for a database that is away, and lead when it comes', async () => {
    await using cluster = await startPostgres();
    const url = await cluster.newDatabase();
    await cluster.stop();
    await using one = join(url);
    expect(one.replicas.status).toBe('disconnected');
    await cluster.start();
    await one.until(() => one.replicas.status === 'leads');
    await cluster.crash();
    await one.until(() => one.led.at(-1) === false);
    expect(one.replicas.status).toBe('disconnected');
  });
});
