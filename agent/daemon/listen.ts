import { once } from 'node:events';
import { chmod, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { errnoOf } from '../../adapters/storage/file-errors.ts';
import { AgentError } from '../errors.ts';
import { onDisk } from '../on-disk.ts';

const ALIVE_MS = 1000;

/**
 * Listens on a Unix socket until it is disposed of. Nothing is read of a connection: whoever gets it begins with its first byte. Who
 * may connect is decided by the mode of the socket. Throws `agent/config` if another process serves there, or nobody can.
 */
export async function listenOn(
  { socket, mode }: { readonly socket: string; readonly mode: number },
  onConnection: (connection: Socket) => void,
): Promise<AsyncDisposable> {
  await removeStale(socket);
  const server = createServer({ pauseOnConnect: true }, onConnection);
  await listen(server, socket, mode);
  return {
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      await closed;
    },
  };
}

/** A socket is left behind by who was killed; one that can be connected to belongs to somebody. */
async function removeStale(socket: string): Promise<void> {
  const isAlive = await new Promise<boolean>((resolve, reject) => {
    const probe = connect({ path: socket, timeout: ALIVE_MS });
    const end = (isThere: boolean) => {
      probe.destroy();
      resolve(isThere);
    };
    probe.on('connect', () => {
      end(true);
    });
    // Whoever is too busy to take a connection is alive.
    probe.on('timeout', () => {
      end(true);
    });
    probe.on('error', (error) => {
      const errno = errnoOf(error);
      if (errno === 'ENOENT' || errno === 'ECONNREFUSED') end(false);
      else reject(new AgentError('agent/config', `cannot use the socket ${socket}: ${errno}`));
    });
  });
  if (isAlive) throw new AgentError('agent/config', `another process serves ${socket}`);
  await onDisk(`removing ${socket}`, () => rm(socket, { force: true }));
}

async function listen(server: Server, socket: string, mode: number): Promise<void> {
  // Nobody else may connect before the mode is what it shall be.
  const before = process.umask(0o777);
  try {
    server.listen(socket);
  } finally {
    process.umask(before);
  }
  try {
    await once(server, 'listening');
    await chmod(socket, mode);
  } catch (error) {
    server.close();
    const errno = errnoOf(error) ?? 'an unknown error';
    throw new AgentError('agent/config', `cannot serve on ${socket}: ${errno}`, { cause: error });
  }
}
