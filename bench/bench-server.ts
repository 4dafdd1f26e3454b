import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openState } from '../adapters/state/open.ts';
import type { State } from '../adapters/state/state.ts';
import { readServerToken } from '../adapters/terminal/server-record.ts';
import { benchHost, NEW_VERSION, OLD_VERSION, PLATFORM, POLICY } from './bench-fleet.ts';
import { measureTidegate } from './measured-process.ts';
import type { Env } from './measured-process.ts';
import { firstLine, SERVER_CORE, startPinned } from './pinned-process.ts';
import type { Pinned } from './pinned-process.ts';

const MAIN = join(import.meta.dirname, '..', 'bin', 'tidegate.ts');
const KEY = 'file:key.pem';

export type BenchServer = Pinned & {
  readonly port: number;
  /** An operator's request. */
  readonly post: (path: string, body: object) => Promise<Response>;
};

/** Where the repository is. */
export type BenchStorage = { readonly url: string; readonly env: Env };

export const IN_FOLDER: BenchStorage = { url: 'file:R', env: {} };

/** A repository of two releases, by the commands that a person types. `image` is that of the newer one. */
export async function makeRepository(
  cwd: string,
  {
    storage: { url, env } = IN_FOLDER,
    image = 'image',
  }: { readonly storage?: BenchStorage; readonly image?: string } = {},
): Promise<void> {
  await measureTidegate(cwd, ['key', 'new', '--type', 'ed25519', '--out', 'key.pem']);
  const platform = `${PLATFORM.variant}:${PLATFORM.arch}=${KEY}`;
  const init = ['repo', 'init', url, '--single-key', KEY, '--release-key', platform];
  await measureTidegate(cwd, init, env);
  await writeFile(join(cwd, 'image'), 'image');
  for (const version of [OLD_VERSION, NEW_VERSION]) {
    const root = version === NEW_VERSION ? image : 'image';
    const publish = [
      ...['publish', url, '--variant', PLATFORM.variant, '--arch', PLATFORM.arch],
      ...['--version', version, '--image', `root=${root}`, '--release-key', KEY],
      ...['--online-key', KEY],
    ];
    await measureTidegate(cwd, publish, env);
  }
}

/** Writes the hosts into the database in `name`, as a server does that sees them. */
export async function makeHosts(cwd: string, name: string, hosts: number): Promise<void> {
  await using state = await openState(stateUrl(name), { cwd });
  await writeHosts(state, hosts);
}

/** Each host says what it runs. */
export async function writeHosts(state: Pick<State, 'touchHosts'>, hosts: number): Promise<void> {
  const part = 10_000;
  const seenAt = new Date();
  for (let start = 0; start < hosts; start += part) {
    const batch = Array.from({ length: Math.min(part, hosts - start) }, (_, index) => ({
      ...benchHost(start + index),
      state: 'idle',
      seenAt,
    }));
    await state.touchHosts(batch);
  }
}

/** The real server, on the core of servers. */
export async function startServer(
  cwd: string,
  options: {
    readonly state: readonly string[];
    readonly storage?: BenchStorage;
    /** Further options of `tidegate serve`. */
    readonly more?: readonly string[];
  },
): Promise<BenchServer> {
  const { state, storage = IN_FOLDER, more = [] } = options;
  const argv = [
    ...[MAIN, 'serve', '--storage', storage.url, '--online-key', KEY, '--state', ...state],
    ...['--listen', '127.0.0.1:0', '--log-level', 'warn', ...more],
  ];
  const pinned = startPinned(SERVER_CORE, argv, { cwd, env: storage.env });
  const url = (await firstLine(pinned)).replace('listening on ', '');
  const token = await readServerToken(url, { XDG_STATE_HOME: cwd });
  return {
    ...pinned,
    port: Number(new URL(url).port),
    post: (path, body) =>
      fetch(url + path, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
  };
}

/** Starts the rollout that half of the fleet waits for; returns its id. */
export async function startRollout({ post }: BenchServer): Promise<string> {
  const order = { requestId: 'bench-rollout', ...PLATFORM, version: NEW_VERSION, policy: POLICY };
  const answer = await post('/api/v1/rollouts', order);
  const body: unknown = await answer.json();
  const hasId = typeof body === 'object' && body !== null && 'id' in body;
  if (!hasId || typeof body.id !== 'string') throw new Error(JSON.stringify(body));
  return body.id;
}

/** An operator's verb on a rollout; returns when the server has answered. */
export async function giveVerb(
  { post }: BenchServer,
  rolloutId: string,
  verb: 'pause' | 'resume',
): Promise<void> {
  const order = { requestId: randomUUID(), reason: 'bench' };
  const answer = await post(`/api/v1/rollouts/${rolloutId}/${verb}`, order);
  if (answer.status !== 200) throw new Error(await answer.text());
}

/** The database in the folder `name`. */
export function stateUrl(name: string): string {
  return `sqlite:${name}/state.db`;
}
