import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { positive } from './options.ts';
import { firstLine, SERVER_CORE, startPinned } from './pinned-process.ts';
import { median, rounded, scratchFolder } from './runs.ts';

const CHILD = join(import.meta.dirname, 'reports-child.ts');
const RAW_BATCH = 250;
const ROUNDS = 5;
const childSchema = z.object({ ms: z.number() });

type Run = (cwd: string, reports: number) => Promise<number>;

/**
 * Durable outcomes in a second, by many hosts that each wait for their answer, over rows inserted in batches with nothing
 * else, in turn: `sqliteRatio`, and `postgresRatio` with `--postgres URL` of a database that may be written to, else null.
 */
export async function benchReports(
  print: (line: string) => void,
  argv: readonly string[],
): Promise<object> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      postgres: { type: 'string' },
      count: { type: 'string', default: '20000' },
    },
  });
  const count = positive('--count', values.count);
  const { postgres } = values;
  await using folder = await scratchFolder();
  const ratioOf = async (name: string, intake: Run, raw: Run) => {
    const [ours, theirs]: [number[], number[]] = [[], []];
    for (let round = 0; round <= ROUNDS; round += 1) {
      // Ours makes the tables of an empty database, which raw rows are inserted into as well.
      const ourMs = await intake(folder.path, count);
      const rawMs = await raw(folder.path, count);
      // The first round warms the disk up.
      if (round === 0) continue;
      theirs.push((count * 1000) / rawMs);
      ours.push((count * 1000) / ourMs);
    }
    print(
      `${name}: ${median(ours).toFixed(0)} outcomes/s, raw ${median(theirs).toFixed(0)} rows/s`,
    );
    return rounded(median(ours.map((one, index) => one / (theirs[index] ?? NaN))));
  };
  return {
    sqliteRatio: await ratioOf(
      'sqlite',
      (cwd, reports) => childMs(cwd, 'intake', 'sqlite:intake.db', reports),
      (cwd, reports) => childMs(cwd, 'raw', 'raw.db', reports),
    ),
    postgresRatio:
      postgres === undefined
        ? null
        : await ratioOf(
            'postgres',
            (cwd, reports) => childMs(cwd, 'intake', postgres, reports),
            (cwd, reports) => rawPostgresMs(cwd, postgres, reports),
          ),
  };
}

async function childMs(cwd: string, kind: string, place: string, count: number): Promise<number> {
  await using child = startPinned(SERVER_CORE, [CHILD, kind, place, String(count)], { cwd });
  return childSchema.parse(JSON.parse(await firstLine(child))).ms;
}

/** Through `psql`, so that no library of ours is part of it; its start is, which is little against the rows. */
async function rawPostgresMs(cwd: string, url: string, count: number): Promise<number> {
  const statements = ['create table raw_reports (like reports including all);'];
  const run = `run-${Date.now()}`;
  for (let start = 0; start < count; start += RAW_BATCH) {
    const rows = Array.from({ length: Math.min(RAW_BATCH, count - start) }, (_, index) => {
      const host = `${run}-${start + index}`;
      return `('${host}','report-1','${run}','1.0.0','1.1.0','updated','confirm',null,1,1)`;
    });
    statements.push(`insert into raw_reports values ${rows.join(',')};`);
  }
  statements.push('drop table raw_reports;');
  await writeFile(join(cwd, 'raw.sql'), statements.join('\n'));
  const started = performance.now();
  const psql = spawn('psql', ['--quiet', '--set=ON_ERROR_STOP=1', '--file=raw.sql', url], {
    cwd,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [code]: unknown[] = await once(psql, 'close');
  if (code !== 0) throw new Error('psql failed');
  return performance.now() - started;
}
