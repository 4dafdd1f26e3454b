import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openState } from '../adapters/state/open.ts';
import { benchHost, NEW_VERSION, OLD_VERSION, PLATFORM, POLICY } from './bench-fleet.ts';
import { measureTidegate } from './measured-process.ts';
import { firstLine, SERVER_CORE, startPinned } from './pinned-process.ts';
import type { Pinned } from './pinned-process.ts';

const MAIN = join(import.meta.dirname, '..', 'bin', 'tidegate.ts');
const KEY = 'file:key.pem';

export type BenchServer = Pinned & {
  readonly port: number;
  readonly post: (path: string, body: object) => Promise<Response>;
};

/** A repository of two releases in `R`, by the commands that a person types. */
export async function makeRepository(cwd: string): Promise<void> {
  await measureTidegate(cwd, ['key', 'new', '--type', 'ed25519', '--out', 'key.pem']);
  const platform = `${PLATFORM.variant}:${PLATFORM.arch}=${KEY}`;
  await measureTidegate(cwd, [
    ...['repo', 'init', 'file:R', '--single-key', KEY, '--release-key', platform],
  ]);
  await writeFile(join(cwd, 'image'), 'image');
  for (const version of [OLD_VERSION, NEW_VERSION]) {
    await measureTidegate(cwd, [
      ...['publish', 'file:R', '--variant', PLATFORM.variant, '--arch', PLATFORM.arch],
      ...['--version', version, '--image', 'root=image', '--release-key', KEY],
      ...['--online-key', KEY],
    ]);
  }
}

/** Writes the hosts into the database in `name`, as a server does that sees them. */
export async function makeHosts(cwd: string, name: string, hosts: number): Promise<void> {
  await using state = await openState(stateUrl(name), { cwd });
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

/** The real server on the repository in `R` and the database in `name`, on the core of servers. */
export async function startServer(
  cwd: string,
  name: string,
  { nodeOptions = [] }: { readonly nodeOptions?: readonly string[] } = {},
): Promise<BenchServer> {
  const argv = [
    ...nodeOptions,
    ...[MAIN, 'serve', '--storage', 'file:R', '--online-key', KEY, '--state', stateUrl(name)],
    ...['--listen', '127.0.0.1:0', '--log-level', 'warn'],
  ];
  const pinned = startPinned(SERVER_CORE, argv, { cwd });
  const url = (await firstLine(pinned)).replace('listening on ', '');
  const token = (await readFile(join(cwd, name, 'token'), 'utf8')).trim();
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

function stateUrl(name: string): string {
  return `sqlite:${name}/state.db`;
}
