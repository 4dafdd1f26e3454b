import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { openStorage } from '../../adapters/storage/open.ts';
import { documented } from '../support/documented-answers.ts';
import { publishedRepository } from './setup.ts';

export type ServerFolder = AsyncDisposable & { readonly path: string };

/** A folder of its own with a repository of two releases in R. */
export async function serverFolder(): Promise<ServerFolder> {
  const path = await mkdtemp(join(tmpdir(), 'tidegate-serve-'));
  await using storage = await openStorage('file:R', { access: 'write', cwd: path, env: {} });
  await publishedRepository(storage);
  return {
    path,
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  };
}

export type RunningServer = Awaited<ReturnType<typeof startServer>>;

/** Starts `serve-child.ts` and waits until it listens. `options` are those of `serve` that are not the usual ones. */
export async function startServer(
  { path }: ServerFolder,
  point: string,
  options: Readonly<Record<string, string>> = {},
  env: Readonly<Record<string, string>> = {},
) {
  const script = new URL('serve-child.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [script, path, point, JSON.stringify(options)], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  const errors: string[] = [];
  child.stderr.on('data', (chunk: Buffer) => errors.push(chunk.toString()));
  const exit = once(child, 'exit').then(([code, signal]) => ({ code, signal }) as const);
  const url = await Promise.race([
    firstLine(child.stdout),
    exit.then(() => Promise.reject(new Error(`the server ended: ${errors.join('')}`))),
  ]);
  const token = (await readFile(join(path, options['tokenFile'] ?? 'S/token'), 'utf8')).trim();
  const base = url.replace('listening on ', '');
  const ask = async (method: string, route: string, more: RequestInit) =>
    documented(method, await fetch(base + route, { method, ...more }));
  const send = (method: string, route: string, body: object) =>
    ask(method, route, {
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  return {
    url: base,
    exit,
    terminate: () => child.kill('SIGTERM'),
    kill: () => child.kill('SIGKILL'),
    /** Stands still, as in a long pause of its machine. */
    freeze: () => child.kill('SIGSTOP'),
    goOn: () => child.kill('SIGCONT'),
    /** Sets the clock of its machine ahead of the right time, or back with less than 0. */
    setClockAhead: (ms: number) => child.stdin.write(`${ms}\n`),
    get: (route: string) => ask('GET', route, {}),
    send,
    post: (route: string, body: object) => send('POST', route, body),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exit;
    },
  };
}

async function firstLine(stream: NodeJS.ReadableStream): Promise<string> {
  for await (const line of createInterface({ input: stream })) return line;
  throw new Error('the server said nothing');
}
