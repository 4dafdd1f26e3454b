import { execFile, execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmod, chown, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { freePort } from './free-port.ts';

const run = promisify(execFile);
const INSTALLED = '/usr/lib/postgresql';
const PASSWORD = 'test-password';

export type Postgres = AsyncDisposable & {
  /** A `postgres://…` URL of a new, empty database; its tables lie in `folder` if one is given, which must be empty. */
  newDatabase(folder?: string): Promise<string>;
  /** Sends away all connections and stops, as an administrator or a failover does. */
  stop(): Promise<void>;
  /** Ends every process at once, as a crash of the machine does. */
  crash(): Promise<void>;
  /** Starts again on the same port after `stop` or `crash`. */
  start(): Promise<void>;
};

/** A PostgreSQL cluster of its own, with passwords, on a loopback port. Throws when apt has not installed it. */
export async function startPostgres(): Promise<Postgres> {
  const programs = await installedPrograms();
  const user = ownUser();
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-postgres-'));
  const data = join(folder, 'data');
  const as = { ...user, cwd: folder, env: { PATH: process.env['PATH'], LC_ALL: 'C.UTF-8' } };
  if (user.uid !== undefined) await chown(folder, user.uid, user.gid ?? user.uid);
  await chmod(folder, 0o700);
  const passwordFile = join(folder, 'password');
  await run('/bin/sh', ['-c', `printf %s ${PASSWORD} >password`], as);
  await run(
    join(programs, 'initdb'),
    [
      ...['--pgdata', data, '--username', 'tide', '--auth', 'scram-sha-256'],
      ...['--pwfile', passwordFile, '--encoding', 'UTF8', '--no-sync', '--locale', 'C.UTF-8'],
      // So that a comparison that is not bytewise would show.
      ...['--locale-provider', 'icu', '--icu-locale', 'en'],
    ],
    as,
  );
  const port = await freePort();
  const control = (...args: readonly string[]) =>
    run(join(programs, 'pg_ctl'), ['--pgdata', data, '--wait', '--silent', ...args], as);
  const options = `-c listen_addresses=127.0.0.1 -c port=${port} -c unix_socket_directories=${folder}`;
  const start = async () => {
    await control('--log', join(folder, 'log'), '--options', options, 'start');
  };
  await start();
  const url = (database: string) => `postgres://tide:${PASSWORD}@127.0.0.1:${port}/${database}`;
  let isRunning = true;

  return {
    newDatabase: async (place) => {
      const name = `tide_${randomUUID().replaceAll('-', '')}`;
      const client = new Client({ connectionString: url('postgres') });
      await client.connect();
      if (place === undefined) {
        await client.query(`create database ${name}`);
      } else {
        if (user.uid !== undefined) await chown(place, user.uid, user.gid ?? user.uid);
        await client.query(`create tablespace ${name} location '${place}'`);
        await client.query(`create database ${name} tablespace ${name}`);
      }
      await client.end();
      return url(name);
    },
    stop: async () => {
      await control('--mode', 'fast', 'stop');
      isRunning = false;
    },
    crash: async () => {
      await control('--mode', 'immediate', 'stop');
      isRunning = false;
    },
    start: async () => {
      await start();
      isRunning = true;
    },
    [Symbol.asyncDispose]: async () => {
      if (isRunning) await control('--mode', 'immediate', 'stop');
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function installedPrograms(): Promise<string> {
  const versions = await readdir(INSTALLED).catch(() => []);
  const newest = versions.toSorted((a, b) => Number(a) - Number(b)).at(-1);
  if (newest === undefined) {
    throw new Error(`${INSTALLED} is missing: apt-get install postgresql first`);
  }
  return join(INSTALLED, newest, 'bin');
}

/** PostgreSQL refuses to run as root; its package brings a user. */
function ownUser(): { readonly uid?: number; readonly gid?: number } {
  if (process.geteuid?.() !== 0) return {};
  const id = (which: string) =>
    Number(execFileSync('id', [which, 'postgres'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}
