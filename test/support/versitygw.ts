import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { freePort } from './free-port.ts';

const BUCKET = 'tidegate-test';
const ACCESS_KEY = 'test-access-key';
const SECRET_KEY = 'test-secret-key';
const READY_WITHIN_MS = 20_000;

export type Versitygw = AsyncDisposable & {
  /** Where it listens, on loopback. */
  readonly endpoint: string;
  /** Credentials and region as the AWS SDK reads them, for `openStorage` or the environment of a child process. */
  readonly env: Readonly<
    Record<'AWS_ACCESS_KEY_ID' | 'AWS_SECRET_ACCESS_KEY' | 'AWS_REGION', string>
  >;
  /** Exists and is empty at the start. */
  readonly bucket: string;
  /** `s3://…` with the endpoint of this server, or of a proxy in front of it. */
  storageUrl(prefix: string, endpoint?: string): string;
  /** Ends it by SIGKILL, as a crash does. */
  kill(): Promise<void>;
  /** Takes connections and answers nothing, until `goOn`. */
  freeze(): void;
  goOn(): void;
  /** Starts it again in the same place after `kill`, with all that it held. */
  start(): Promise<void>;
};

/** Starts a production S3 gateway over a new folder. Throws when `.ci/versitygw` has not installed it. */
export async function startVersitygw(): Promise<Versitygw> {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const binary = join(cache, 'tidegate', 'bin', 'versitygw');
  if (!existsSync(binary)) throw new Error(`${binary} is missing: run .ci/versitygw first`);
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-versitygw-'));
  await mkdir(join(folder, 'data', BUCKET), { recursive: true });
  await mkdir(join(folder, 'iam'));
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  let child: ChildProcess | null = null;

  async function start(): Promise<void> {
    child = spawn(
      binary,
      [
        ...['--port', `127.0.0.1:${port}`, '--iam-dir', join(folder, 'iam'), '--health', '/health'],
        ...['--quiet', 'posix', join(folder, 'data')],
      ],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
        env: {
          ROOT_ACCESS_KEY: ACCESS_KEY,
          ROOT_SECRET_KEY: SECRET_KEY,
          PATH: process.env['PATH'],
        },
      },
    );
    let complaints = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      complaints += chunk.toString();
    });
    try {
      await untilHealthy(`${endpoint}/health`, child);
    } catch (error) {
      await stop('SIGTERM');
      throw new Error(`versitygw did not start: ${complaints}`, { cause: error });
    }
  }

  async function stop(signal: NodeJS.Signals): Promise<void> {
    if (child !== null && child.exitCode === null && child.signalCode === null) {
      child.kill(signal);
      await once(child, 'exit');
    }
  }

  async function dispose(): Promise<void> {
    await stop('SIGTERM');
    await rm(folder, { recursive: true, force: true });
  }

  try {
    await start();
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    endpoint,
    env: {
      AWS_ACCESS_KEY_ID: ACCESS_KEY,
      AWS_SECRET_ACCESS_KEY: SECRET_KEY,
      AWS_REGION: 'us-east-1',
    },
    bucket: BUCKET,
    storageUrl: (prefix, at = endpoint) =>
      `s3://${BUCKET}/${prefix}?endpoint=${encodeURIComponent(at)}&forcePathStyle=true`,
    kill: () => stop('SIGKILL'),
    freeze: () => {
      child?.kill('SIGSTOP');
    },
    goOn: () => {
      child?.kill('SIGCONT');
    },
    start,
    [Symbol.asyncDispose]: dispose,
  };
}

async function untilHealthy(url: string, child: ChildProcess): Promise<void> {
  const deadline = Date.now() + READY_WITHIN_MS;
  for (;;) {
    const response = await fetch(url).catch(() => undefined);
    if (response?.ok === true) return;
    if (child.exitCode !== null) throw new Error(`it ended with exit code ${child.exitCode}`);
    if (Date.now() > deadline) throw new Error(`it is not ready after ${READY_WITHIN_MS} ms`);
    await setTimeout(25);
  }
}
