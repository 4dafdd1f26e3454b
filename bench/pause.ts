import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readObject } from '../adapters/repository/objects.ts';
import { openRepository } from '../adapters/repository/repository.ts';
import { readRollouts } from '../adapters/repository/rollouts.ts';
import { openStorage } from '../adapters/storage/open.ts';
import type { Storage } from '../adapters/storage/storage.ts';
import { startVersitygw } from '../test/support/versitygw.ts';
import { benchHost } from './bench-fleet.ts';
import {
  giveVerb,
  IN_FOLDER,
  makeRepository,
  startRollout,
  startServer,
  stateUrl,
} from './bench-server.ts';
import type { BenchServer, BenchStorage } from './bench-server.ts';
import { positive } from './options.ts';
import { median, scratchFolder, until } from './runs.ts';

const TIMESTAMP = 'metadata/timestamp.json';
const MOST_TIMESTAMP_BYTES = 1 << 20;
const LOOK_MS = 1;

/** Runs the old release, and its seed is among the first. */
const HOST = 1;

/**
 * From an operator's answer to a pause: `effectiveMs`, until every server has answered a poll that obeys it, and
 * `committedMs`, until the repository says it; the longest of all rounds. Servers share a database with `--postgres URL`;
 * without it there is one. The repository is on an S3 server, or in a folder with `--folder`.
 */
export async function benchPause(
  print: (line: string) => void,
  argv: readonly string[],
): Promise<object> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      postgres: { type: 'string' },
      servers: { type: 'string', default: '3' },
      rounds: { type: 'string', default: '20' },
      folder: { type: 'boolean', default: false },
    },
  });
  const { postgres } = values;
  await using scratch = await scratchFolder();
  const cwd = scratch.path;
  await using stack = new AsyncDisposableStack();
  const where = values.folder ? IN_FOLDER : await startS3(stack);
  await makeRepository(cwd, { storage: where });
  const servers: BenchServer[] = [];
  const count = postgres === undefined ? 1 : positive('--servers', values.servers);
  const state =
    postgres === undefined ? [stateUrl('S')] : [postgres, '--token-file', join(cwd, 'token')];
  for (let index = 0; index < count; index += 1) {
    servers.push(stack.use(await startServer(cwd, { state, storage: where })));
  }
  const storage = stack.use(await openStorage(where.url, { access: 'read', cwd, env: where.env }));
  const [first] = servers;
  if (first === undefined) throw new Error('no server was started');
  const rolloutId = await startRollout(first);
  const [effective, committed]: [number[], number[]] = [[], []];
  for (let round = 0; round < positive('--rounds', values.rounds); round += 1) {
    await Promise.all(servers.map((server) => until(() => says(server, 'update'), LOOK_MS)));
    const operatorOf = servers[round % servers.length] ?? first;
    const before = await timestampOf(storage);
    // All look from before the order on, so that nobody is late to see it.
    const obeyed = servers.map((server) => until(() => says(server, 'paused'), LOOK_MS));
    const inRepository = until(() => isPaused(storage, rolloutId, before), LOOK_MS);
    await giveVerb(operatorOf, rolloutId, 'pause');
    const answeredAt = performance.now();
    const since = (at: number) => Math.max(0, at - answeredAt);
    effective.push(...(await Promise.all(obeyed)).map(since));
    committed.push(since(await inRepository));
    await giveVerb(operatorOf, rolloutId, 'resume');
  }
  print(`${count} servers, ${where.url.replace(/:.*/s, '')}: ${effective.length} polls`);
  print(`obeyed after ${median(effective).toFixed(1)} ms, at most ${longest(effective)} ms`);
  print(`committed after ${median(committed).toFixed(1)} ms, at most ${longest(committed)} ms`);
  return { effectiveMs: longest(effective), committedMs: longest(committed) };
}

async function startS3(stack: AsyncDisposableStack): Promise<BenchStorage> {
  const gateway = stack.use(await startVersitygw());
  return { url: gateway.storageUrl('bench'), env: gateway.env };
}

async function says({ port }: BenchServer, wanted: 'update' | 'paused'): Promise<boolean> {
  const answer = await fetch(`http://127.0.0.1:${port}/api/v1/check-in`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ host: benchHost(HOST), state: 'idle' }),
  });
  const body = await answer.text();
  return body.includes(wanted === 'update' ? '"decision":"update"' : '"reason":"paused"');
}

async function timestampOf(storage: Storage): Promise<string> {
  const { bytes } = await readObject(storage, TIMESTAMP, MOST_TIMESTAMP_BYTES);
  return Buffer.from(bytes).toString();
}

/** Whether a timestamp after that one stands for a manifest in which the rollout is paused. */
async function isPaused(storage: Storage, rolloutId: string, before: string): Promise<boolean> {
  if ((await timestampOf(storage)) === before) return false;
  const repository = openRepository({ storage, now: () => new Date() });
  const rollouts = await readRollouts(repository, await repository.load());
  return rollouts.some(({ id, state }) => id === rolloutId && state === 'paused');
}

function longest(values: readonly number[]): number {
  return Math.ceil(Math.max(...values));
}
