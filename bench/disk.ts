import { randomUUID } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Client } from 'pg';
import { z } from 'zod';
import { openState } from '../adapters/state/open.ts';
import { benchHost, NEW_VERSION, OLD_VERSION } from './bench-fleet.ts';
import { writeHosts } from './bench-server.ts';
import { positive } from './options.ts';
import { scratchFolder } from './runs.ts';

/** Reports of one transaction, as many as the server gathers. */
const BATCH = 250;
/** Each host is written anew so often, as when it goes through several releases. */
const REWRITES = 4;

type Place = {
  readonly url: string;
  readonly cwd: string;
  /** What the state takes while nobody has it open. */
  readonly bytes: () => Promise<number>;
};

type Sizes = {
  readonly bytesPerHost: number;
  readonly bytesPerRewrittenHost: number;
  readonly bytesPerReport: number;
};

/**
 * What known hosts and their reports take on the disk, indexes included: of SQLite, and of PostgreSQL with `--postgres URL`
 * of a database that may be written to, else null.
 */
export async function benchDisk(
  print: (line: string) => void,
  argv: readonly string[],
): Promise<object> {
  const { values } = parseArgs({
    args: [...argv],
    options: { hosts: { type: 'string', default: '100000' }, postgres: { type: 'string' } },
  });
  const hosts = positive('--hosts', values.hosts);
  await using folder = await scratchFolder();
  const cwd = folder.path;
  const folderBytes = async () => {
    const files = await readdir(join(cwd, 'state'));
    const stats = await Promise.all(files.map((name) => stat(join(cwd, 'state', name))));
    return stats.reduce((sum, { size }) => sum + size, 0);
  };
  const sqlite = await measure(
    { url: 'sqlite:state/state.db', cwd, bytes: folderBytes },
    { hosts, print },
  );
  const url = values.postgres;
  const postgres =
    url === undefined
      ? null
      : await measure({ url, cwd, bytes: () => databaseBytes(url) }, { hosts, print });
  return {
    hosts,
    bytesPerHostSqlite: sqlite.bytesPerHost,
    bytesPerRewrittenHostSqlite: sqlite.bytesPerRewrittenHost,
    bytesPerReportSqlite: sqlite.bytesPerReport,
    bytesPerHostPostgres: postgres?.bytesPerHost ?? null,
    bytesPerRewrittenHostPostgres: postgres?.bytesPerRewrittenHost ?? null,
    bytesPerReportPostgres: postgres?.bytesPerReport ?? null,
  };
}

async function measure(
  place: Place,
  { hosts, print }: { readonly hosts: number; readonly print: (line: string) => void },
): Promise<Sizes> {
  const grown = async (what: string, write: Parameters<typeof inState>[1]) => {
    const before = await place.bytes();
    await inState(place, write);
    const bytes = Math.round(((await place.bytes()) - before) / hosts);
    print(`${place.url.replace(/:.*/s, '')}: ${bytes} bytes for each of ${hosts} ${what}`);
    return bytes;
  };
  // Only so that the tables are there.
  await inState(place, async () => {});
  const bytesPerHost = await grown('hosts', (state) => writeHosts(state, hosts));
  const more = await grown(`hosts, written ${REWRITES} times more`, async (state) => {
    for (let time = 0; time < REWRITES; time += 1) await writeHosts(state, hosts);
  });
  const bytesPerReport = await grown('reports', (state) => writeReports(state, hosts));
  return { bytesPerHost, bytesPerRewrittenHost: bytesPerHost + more, bytesPerReport };
}

async function inState(
  { url, cwd }: Place,
  write: (state: Awaited<ReturnType<typeof openState>>) => Promise<void>,
): Promise<void> {
  await using state = await openState(url, { cwd });
  await write(state);
}

/** One of each host, in one rollout: the report and where the host stands. */
async function writeReports(
  state: Parameters<Parameters<typeof inState>[1]>[0],
  hosts: number,
): Promise<void> {
  const [rolloutId, now] = ['b3nch00001', new Date()];
  for (let start = 0; start < hosts; start += BATCH) {
    const batch = Array.from({ length: Math.min(BATCH, hosts - start) }, (_, index) => ({
      hostId: benchHost(start + index).id,
      receivedAt: now,
      reports: [
        {
          ...{ id: randomUUID(), rolloutId, from: OLD_VERSION, to: NEW_VERSION },
          ...{ outcome: 'updated' as const, stage: 'confirm', error: null, at: now },
        },
      ],
    }));
    await state.recordReportBatch(batch);
  }
}

const sizeSchema = z.object({ rows: z.tuple([z.object({ bytes: z.coerce.number() })]) });

async function databaseBytes(url: string): Promise<number> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const found = await client.query('select pg_database_size(current_database()) as bytes');
    return sizeSchema.parse(found).rows[0].bytes;
  } finally {
    await client.end();
  }
}
