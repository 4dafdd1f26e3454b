import { once } from 'node:events';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, jest } from '@jest/globals';
import { openState } from '../../adapters/state/open.ts';
import { openStorage } from '../../adapters/storage/open.ts';
import { readServerToken } from '../../adapters/terminal/server-record.ts';
import { checkInAnswerSchema } from '../../core/check-in.ts';
import { serveCommand } from '../../server/commands/serve.ts';
import { serve } from '../../server/serve.ts';
import type { ServeOptions } from '../../server/config.ts';
import { checkInOf, NOW, reportOf } from './setup.ts';
import { serverFolder } from './running-server.ts';
import type { ServerFolder } from './running-server.ts';

function keyFile(name: string): string {
  return `file:${new URL(`../../keys-example/${name}.pem`, import.meta.url).pathname}`;
}

const OPTIONS: ServeOptions = {
  storage: 'file:R',
  onlineKey: [keyFile('online')],
  state: 'sqlite:S/state.db',
  listen: '127.0.0.1:0',
  followInterval: '5 seconds',
  leaseTimeout: '1 hour',
  logLevel: 'info',
};

/** `serve` in this process; `url` resolves when it says where it listens. */
function run(folder: ServerFolder, change: Partial<ServeOptions> = {}, openers = {}) {
  const url = Promise.withResolvers<string>();
  const stop = new AbortController();
  const logged: string[] = [];
  const stdout: string[] = [];
  const io = {
    stdout: {
      write: (text: string) => {
        stdout.push(text);
        url.resolve(text.trim().replace('listening on ', ''));
      },
    },
    stderr: { write: (text: string) => logged.push(text) },
    env: { XDG_STATE_HOME: join(folder.path, 'xdg') },
    cwd: folder.path,
    now: () => NOW,
    signal: stop.signal,
  };
  const ended: Promise<unknown> = serve(
    io,
    { ...OPTIONS, ...change },
    { openStorage, openState, ...openers },
  );
  // A server that ends before it listens has no address.
  ended
    .catch(() => {})
    .finally(() => url.resolve('none'))
    .catch(() => {});
  return {
    io,
    logged,
    stdout,
    ended,
    url: url.promise,
    stop: () => {
      stop.abort();
      return ended;
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await ended.catch(() => {});
    },
  };
}

function checkIn(url: string, body: object = checkInOf({})): Promise<Response> {
  return fetch(`${url}/api/v1/check-in`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
}

jest.setTimeout(30_000);

describe('serve', () => {
  it('says where it listens, leaves its token for the command line, and ends when it is told to', async () => {
    await using folder = await serverFolder();
    await using server = run(folder);
    const url = await server.url;
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    const token = await readServerToken(url, server.io.env);
    expect((await readFile(join(folder.path, 'S', 'token'), 'utf8')).trim()).toBe(token);
    expect((await stat(join(folder.path, 'S', 'token'))).mode & 0o777).toBe(0o600);
    const listed = await fetch(`${url}/api/v1/rollouts`, {
      headers: { authorization: `Bearer ${token}` },
    });
    expect([listed.status, await listed.json()]).toEqual([200, { rollouts: [] }]);
    await server.stop();
    expect(server.stdout).toHaveLength(1);
    expect(server.logged.join('')).not.toMatch(token);
    await expect(checkIn(url)).rejects.toBeDefined();
  });

  it('ends the streams of events when it stops, instead of waiting for them', async () => {
    await using folder = await serverFolder();
    await using server = run(folder);
    const url = await server.url;
    const token = await readServerToken(url, server.io.env);
    const stream = await fetch(`${url}/api/v1/events`, {
      headers: { authorization: `Bearer ${token}` },
    });
    const text = stream.text();
    await server.stop();
    // A stream that is cut off is an error to its reader; this one came to its end.
    expect(await text).toMatch(/^retry: /);
  });

  it('writes down at its end whom it saw', async () => {
    await using folder = await serverFolder();
    await using server = run(folder);
    await checkIn(await server.url);
    await server.stop();
    await using state = await openState(OPTIONS.state, { cwd: folder.path });
    expect(await state.findHost('host-1')).toMatchObject({ version: '1.0.0' });
  });

  it('lets requests under way finish, and takes no new ones', async () => {
    await using folder = await serverFolder();
    const arrived = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    await using server = run(
      folder,
      {},
      {
        openState: async (...args: Parameters<typeof openState>) => {
          const state = await openState(...args);
          const record = state.recordReportBatch.bind(state);
          state.recordReportBatch = async (...batch) => {
            arrived.resolve();
            await goOn.promise;
            return record(...batch);
          };
          return state;
        },
      },
    );
    const url = await server.url;
    const answer = checkIn(url, { ...checkInOf({}), reports: [reportOf()] });
    await arrived.promise;
    const ended = server.stop();
    await expect(checkIn(url)).rejects.toBeDefined();
    goOn.resolve();
    expect((await answer).status).toBe(200);
    await ended;
    await using state = await openState(OPTIONS.state, { cwd: folder.path });
    expect(await state.countsOf('rollout-1')).toMatchObject({ failed: 1 });
  });

  it('does not wait for a client that keeps its connection open', async () => {
    await using folder = await serverFolder();
    await using server = run(folder);
    const url = await server.url;
    const request = httpRequest(`${url}/healthz`, { headers: { connection: 'keep-alive' } });
    request.end();
    const [response] = await once(request, 'response');
    response.resume();
    await once(response, 'end');
    await server.stop();
  });

  it.each([
    {
      case: 'a key that may not sign for it',
      change: { onlineKey: [keyFile('release')] },
      code: 'server/key',
    },
    { case: 'no repository', change: { storage: 'file:nothing' }, code: 'repository/not-there' },
    { case: 'no key', change: { onlineKey: ['file:none.pem'] }, code: 'signing/not-there' },
    { case: 'an address of others', change: { listen: '0.0.0.0:0' }, code: 'usage/host-auth' },
    {
      case: 'an expiry policy that is not there',
      change: { expiryPolicy: 'none.toml' },
      code: 'usage/file',
    },
    {
      case: 'an expiry policy that is none',
      change: { expiryPolicy: 'R/metadata/timestamp.json' },
      code: 'expiry-policy/invalid',
    },
    { case: 'a state that is no file', change: { state: 'sqlite:R' }, code: 'state/url' },
  ])('does not start with $case', async ({ change, code }) => {
    await using folder = await serverFolder();
    await using server = run(folder, change);
    await expect(server.ended).rejects.toMatchObject({ code });
    expect(server.stdout).toEqual([]);
  });

  it('does not start on a port that is in use', async () => {
    await using folder = await serverFolder();
    const other = createServer();
    other.listen(0, '127.0.0.1');
    await once(other, 'listening');
    const address = other.address();
    const port = typeof address === 'object' ? address?.port : 0;
    await using server = run(folder, { listen: `127.0.0.1:${port}` });
    await expect(server.ended).rejects.toMatchObject({ code: 'server/address' });
    other.close();
  });

  it('works without a home folder for its record, and says so', async () => {
    await using folder = await serverFolder();
    await writeFile(join(folder.path, 'xdg'), 'a file, not a folder');
    await using server = run(folder);
    expect((await checkIn(await server.url)).status).toBe(200);
    await server.stop();
    expect(server.logged.join('')).toMatch('will not find the token');
  });

  it('asks hosts to come back as soon as it is told', async () => {
    await using folder = await serverFolder();
    await using server = run(folder, { checkInInterval: '2 seconds' });
    const answer = await checkIn(await server.url);
    const told = checkInAnswerSchema.parse(await answer.json());
    expect(told).toMatchObject({ reason: 'up-to-date' });
    expect([1, 2]).toContain(told.nextCheckInSeconds);
  });
});

describe('the serve command', () => {
  it('refuses to run without a storage, a key or a state', async () => {
    await using folder = await serverFolder();
    await using server = run(folder);
    for (const missing of ['--storage', '--online-key', '--state']) {
      const all = { '--storage': 'file:R', '--online-key': 'file:k', '--state': 'sqlite:s' };
      const argv = Object.entries(all).filter(([name]) => name !== missing);
      const command = serveCommand(server.io)
        .exitOverride()
        .configureOutput({ writeErr: () => {} });
      await expect(command.parseAsync(argv.flat(), { from: 'user' })).rejects.toMatchObject({
        code: 'commander.missingMandatoryOptionValue',
      });
    }
  });
});
