import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { rolloutViewSchema } from '../core/rollout-view.ts';
import type { RolloutView } from '../core/rollout-view.ts';
import type { Processes } from './processes.ts';

const FIRST_PORT = 8080;
const READY_MS = 20_000;

export type DemoServer = { readonly url: string };

/** Starts the real server on this port of 127.0.0.1: on 8080, or the next free one, unless it is given. */
export async function startServer(processes: Processes, onPort?: number): Promise<DemoServer> {
  const port = onPort ?? (await freePort(FIRST_PORT));
  const url = `http://127.0.0.1:${port}`;
  processes.start(
    'server.log',
    ...['serve', '--storage', 'file:repo', '--online-key', 'file:keys/online.pem'],
    ...['--state', 'sqlite:state/state.db', '--listen', `127.0.0.1:${port}`],
    ...['--check-in-interval', '1 second'],
  );
  const deadline = Date.now() + READY_MS;
  while (Date.now() < deadline) {
    if (await isReady(url)) return { url };
    await sleep(100);
  }
  throw new Error('the server did not become ready; see server.log');
}

/** The rollout as the server's own API tells it. */
export async function showRollout(
  { url }: DemoServer,
  folder: string,
  rolloutId: string,
): Promise<RolloutView> {
  const token = (await readFile(join(folder, 'state', 'token'), 'utf8')).trim();
  const response = await fetch(`${url}/api/v1/rollouts/${rolloutId}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  return rolloutViewSchema.parse(await response.json());
}

async function isReady(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/readyz`)).ok;
  } catch {
    return false;
  }
}

async function freePort(first: number): Promise<number> {
  for (let port = first; port < first + 100; port += 1) {
    if (await canListen(port)) return port;
  }
  throw new Error(`no free port from ${first} to ${first + 99}`);
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => {
      resolve(false);
    });
    probe.listen(port, '127.0.0.1', () => {
      probe.close(() => {
        resolve(true);
      });
    });
  });
}
