import { createInterface } from 'node:readline';
import { z } from 'zod';
import { openState } from '../../adapters/state/open.ts';
import { openStorage } from '../../adapters/storage/open.ts';
import { serve } from '../../server/serve.ts';

/**
 * A real server in a process of its own that kills itself at a named point: `<method>-<before|after>`, where `put1`, `put2`, …
 * are the puts after a verb was made durable or found in the outbox, and `early1`, `early2`, … those before. Arguments: the
 * folder with R and S, the point (`never` for none), and options of `serve` other than the usual as JSON.
 */
const [folder = '', point = '', change = '{}'] = process.argv.slice(2);
const changed = z.record(z.string(), z.string()).parse(JSON.parse(change));
const stop = new AbortController();

/** The clock runs, as real ones do, until a line of the input sets it ahead or back by so many milliseconds. */
const START_MS = Date.parse(process.env['CLOCK_STARTS_AT'] ?? '2040-01-01T00:01:00Z');
let aheadMs = 0;
createInterface({ input: process.stdin }).on('line', (line) => {
  aheadMs = Number(line);
});
process.stdin.unref();

process.once('SIGTERM', () => {
  stop.abort();
});

let isDurable = false;
let puts = 0;
let earlyPuts = 0;

function nameOf(method: string): string {
  if (method === 'enqueueVerb') isDurable = true;
  if (!['put', 'putStream'].includes(method)) return method;
  if (!isDurable) {
    earlyPuts += 1;
    return `early${earlyPuts}`;
  }
  puts += 1;
  return `put${puts}`;
}

/** Whether one of the verbs that were read waits to be committed. */
function isWaiting(verbs: unknown): boolean {
  const stored = z.array(z.object({ status: z.object({ kind: z.string() }) })).parse(verbs);
  return stored.some(({ status }) => status.kind === 'pending');
}

async function dieAt(reached: string): Promise<void> {
  if (reached !== point) return;
  process.kill(process.pid, 'SIGKILL');
  await new Promise(() => {});
}

/** Calls `dieAt` around every asynchronous method. */
function mortal<T extends object>(inner: T): T {
  return new Proxy(inner, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== 'function') return value;
      const call = (args: readonly unknown[]): unknown => Reflect.apply(value, target, args);
      if (typeof key === 'symbol' || key === 'list') return (...args: unknown[]) => call(args);
      return async (...args: unknown[]) => {
        const name = nameOf(key);
        await dieAt(`${name}-before`);
        const result = await call(args);
        if (['pendingVerbs', 'verbsBehind'].includes(name)) isDurable ||= isWaiting(result);
        await dieAt(`${name}-after`);
        return result;
      };
    },
  });
}

await serve(
  {
    stdout: process.stdout,
    stderr: process.stderr,
    env: { ...process.env, XDG_STATE_HOME: folder },
    cwd: folder,
    now: () => new Date(START_MS + performance.now() + aheadMs),
    signal: stop.signal,
  },
  {
    storage: 'file:R',
    onlineKey: [`file:${new URL('../../keys-example/online.pem', import.meta.url).pathname}`],
    state: 'sqlite:S/state.db',
    listen: '127.0.0.1:0',
    followInterval: '5 seconds',
    leaseTimeout: '1 hour',
    logLevel: 'info',
    ...changed,
  },
  {
    openStorage: async (url, options) => mortal(await openStorage(url, options)),
    openState: async (url, options) => mortal(await openState(url, options)),
  },
);
