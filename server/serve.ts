import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import type { Logger } from 'pino';
import { openSigner } from '../adapters/signing/open.ts';
import { openReplicas, openState } from '../adapters/state/open.ts';
import { leads } from '../adapters/state/replicas.ts';
import { openStorage } from '../adapters/storage/open.ts';
import type { Io } from '../adapters/terminal/io.ts';
import { writeServerRecord } from '../adapters/terminal/server-record.ts';
import { createApp } from './app.ts';
import { configOf, readExpiry, readOperators } from './config.ts';
import type { LogLevel, ServeOptions } from './config.ts';
import { openContext } from './context.ts';
import type { Context } from './context.ts';
import type { StartTimer } from './jobs/job.ts';
import { drain, listen } from './listen.ts';
import { firstOperator } from '../core/operators.ts';
import { SteadyClock } from './steady-clock.ts';
import { ensureToken } from './token.ts';

/** How the server opens what lies outside of it; tests put their own in between. */
export type Openers = {
  readonly openStorage: typeof openStorage;
  readonly openState: typeof openState;
};

const DRAIN_MS = 10_000;
const LAST_COMMIT_MS = 5000;

/**
 * Runs a server until `io.signal` aborts, then lets requests finish, writes what is in memory and returns. Throws before
 * it listens if anything that it needs is missing or wrong.
 */
export async function serve(
  io: Io,
  options: ServeOptions,
  openers: Openers = { openStorage, openState },
): Promise<void> {
  const { cwd, env } = io;
  const config = configOf(options, cwd);
  const expiry = await readExpiry(options, cwd);
  const others = await readOperators(options, cwd);
  const log = createLog(io, config.logLevel);
  await using opened = new AsyncDisposableStack();
  const signers = [];
  for (const source of options.onlineKey) {
    signers.push(opened.use(await openSigner(source, io)));
  }
  const storage = opened.use(
    await openers.openStorage(options.storage, { access: 'write', cwd, env }),
  );
  const state = opened.use(await openers.openState(options.state, { cwd }));
  const replicas = opened.use(openReplicas(options.state));
  const clock = new SteadyClock({ system: io.now, elapsedMs: () => performance.now() });
  const context = await openContext({
    storage,
    state,
    replicas,
    signers,
    operators: [firstOperator(await ensureToken(config.tokenFile)), ...others],
    pace: config.pace,
    followMs: config.followMs,
    leaseMs: config.leaseMs,
    keep: config.keep,
    expiry,
    log,
    now: () => clock.now(),
    clock,
    random: Math.random,
    startTimer,
  });
  const listening = await listen(createApp(context), config.listen);
  context.jobs.start();
  await leaveRecord(io, { url: listening.url, tokenFile: config.tokenFile }, log);
  log.info({ url: listening.url, storage: storage.url }, 'listening');
  io.stdout.write(`listening on ${listening.url}\n`);
  if (!io.signal.aborted) await once(io.signal, 'abort');
  log.info({}, 'stopping');
  context.events.close();
  await drain(listening, DRAIN_MS);
  await finish(context);
  log.info({}, 'stopped');
}

/** Nothing that is lost here was acknowledged; it is only cheaper to write it now than to learn it again. */
async function finish(context: Context): Promise<void> {
  const { jobs, replicas, writeBehind, commitPending, trail, log } = context;
  const work = async () => {
    await jobs.stop();
    await writeBehind.flush();
    if (leads(replicas)) await commitPending();
    await trail.flush();
  };
  const limit = new AbortController();
  const late = sleep(LAST_COMMIT_MS, 'late' as const, { signal: limit.signal });
  const result = await Promise.race([work().catch((error: unknown) => ({ error })), late]);
  limit.abort();
  await late.catch(() => {});
  if (result === undefined) return;
  const why = result === 'late' ? { afterMs: LAST_COMMIT_MS } : { err: result.error };
  log.warn(why, 'stopped with work left for the next start');
}

/** Without the record everything works, only the command line has to be given the token. */
async function leaveRecord(
  io: Io,
  record: { readonly url: string; readonly tokenFile: string },
  log: Logger,
): Promise<void> {
  try {
    await writeServerRecord(record, io.env);
  } catch (error) {
    log.warn({ err: error }, 'the command line will not find the token by itself');
  }
}

function createLog({ stderr, now }: Io, level: LogLevel): Logger {
  return pino(
    { level, base: null, timestamp: () => `,"time":"${now().toISOString()}"` },
    { write: (line) => stderr.write(line) },
  );
}

const startTimer: StartTimer = (callback, ms) => {
  const timer = setTimeout(callback, ms);
  return () => {
    clearTimeout(timer);
  };
};
