// Makes outcomes durable and prints how many milliseconds that took. `intake URL COUNT` does it as the server does: many
// hosts at once, each of which waits for its answer. `raw FILE COUNT` inserts the same rows into the same table of an
// SQLite database, in transactions and with nothing else.
import { randomUUID } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { openState } from '../adapters/state/open.ts';
import { ReportIntake } from '../server/report-intake.ts';

/** As many as check in at once with a fleet in the middle of a wave. */
const HOSTS_AT_ONCE = 256;
const RAW_BATCH = 250;

const [kind = '', place = '', count = ''] = process.argv.slice(2);
const ms = await (kind === 'raw' ? raw(place, Number(count)) : intake(place, Number(count)));
process.stdout.write(`${JSON.stringify({ ms })}\n`);

async function intake(url: string, reports: number): Promise<number> {
  await using state = await openState(url, { cwd: process.cwd() });
  const taker = new ReportIntake({ state });
  const run = randomUUID();
  const now = new Date();
  let sent = 0;
  const host = async () => {
    for (let index = sent; index < reports; index = sent) {
      sent += 1;
      await taker.record({
        hostId: `${run}-${index}`,
        reports: [
          {
            ...{ id: 'report-1', rolloutId: run, from: '1.0.0', to: '1.1.0', outcome: 'updated' },
            ...{ stage: 'confirm', error: null, at: now },
          },
        ],
        receivedAt: now,
      });
    }
  };
  const started = performance.now();
  await Promise.all(Array.from({ length: HOSTS_AT_ONCE }, host));
  const took = performance.now() - started;
  const { updated } = await state.countsOf(run);
  if (updated !== reports) throw new Error(`${updated} of ${reports} outcomes were counted`);
  return took;
}

async function raw(file: string, reports: number): Promise<number> {
  // Only so that the table is there.
  await (await openState(`sqlite:${file}`, { cwd: process.cwd() }))[Symbol.asyncDispose]();
  const database = new DatabaseSync(file);
  database.exec('pragma journal_mode = wal; pragma synchronous = full');
  const insert = database.prepare('insert into reports values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)');
  const [run, now] = [randomUUID(), Date.now()];
  const started = performance.now();
  for (let start = 0; start < reports; start += RAW_BATCH) {
    database.exec('begin immediate');
    for (let index = start; index < Math.min(start + RAW_BATCH, reports); index += 1) {
      const host = `${run}-${index}`;
      insert.run(host, 'report-1', run, '1.0.0', '1.1.0', 'updated', 'confirm', null, now, now);
    }
    database.exec('commit');
  }
  const took = performance.now() - started;
  database.close();
  return took;
}
