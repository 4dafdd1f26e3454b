import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { openSigner } from '../../adapters/signing/open.ts';
import { openStorage } from '../../adapters/storage/open.ts';
import { setup as startServer, TOKEN } from '../server/setup.ts';
import { makeWorkplace } from '../support/cli.ts';
import type { Workplace } from '../support/cli.ts';
import { initRepository, ONLINE, PLATFORM, writeImages } from '../support/small-repository.ts';

/** A repository in R with a server on it; the workplace has no online key any more. */
async function setup() {
  const resources = new AsyncDisposableStack();
  const workplace = resources.use(await makeWorkplace());
  await initRepository(workplace);
  await writeImages(workplace, 'first');
  const options = { cwd: workplace.folder, env: {} };
  const storage = resources.use(await openStorage('file:R', { access: 'write', ...options }));
  const online = resources.use(await openSigner('file:K/online.pem', options));
  const server = resources.use(
    await startServer({ storage, signers: [online], now: () => workplace.now }),
  );
  workplace.env['TIDEGATE_TOKEN'] = TOKEN;
  return {
    workplace,
    server,
    [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
  };
}

function argumentsOf(version: string, ...more: readonly string[]): readonly string[] {
  return [
    ...['publish', 'file:R', ...PLATFORM, '--version', version],
    ...['--image', 'boot=b.img', '--image', 'root=r.img.zst', '--image', 'hash=h.img'],
    ...['--release-key', 'file:K/release.pem', ...more],
  ];
}

async function statusOf(workplace: Workplace) {
  return JSON.parse(await workplace.must('repo', 'status', 'file:R', '--json'));
}

/** Before a server, and gone at a chosen moment of the first commit: the request or only its answer is lost. */
async function lossyProxy(url: string, lost: 'request' | 'answer') {
  const seen: string[] = [];
  let isLosing = true;
  const pass = async (request: IncomingMessage, response: ServerResponse) => {
    const body = Buffer.concat(await Array.fromAsync(request));
    const path = request.url ?? '';
    const loses = isLosing && path.endsWith('/commit');
    seen.push(path);
    if (loses) isLosing = false;
    if (loses && lost === 'request') {
      response.destroy();
      return;
    }
    const answer = await fetch(url + path, {
      method: request.method ?? 'GET',
      headers: {
        authorization: request.headers.authorization ?? '',
        'content-type': request.headers['content-type'] ?? '',
      },
      ...(body.length === 0 ? {} : { body }),
    });
    const text = await answer.text();
    if (loses) {
      response.destroy();
      return;
    }
    response.statusCode = answer.status;
    response.end(text);
  };
  const proxy = createServer((request, response) => {
    pass(request, response).catch(() => response.destroy());
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const address = proxy.address();
  return {
    seen,
    url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`,
    async [Symbol.asyncDispose]() {
      proxy.closeAllConnections();
      proxy.close();
      await once(proxy, 'close');
    },
  };
}

describe('tidegate publish --server', () => {
  it('publishes with the release key alone, and hosts can read it', async () => {
    await using world = await setup();
    const { workplace, server } = world;
    const out = await workplace.must(...argumentsOf('1.0.0', '--server', server.url, '--json'));
    expect(JSON.parse(out)).toMatchObject({ isNew: true, version: '1.0.0' });
    const report = JSON.parse(await workplace.must('repo', 'verify', 'file:R', '--json'));
    expect(report).toMatchObject({ targets: 5, failures: [] });
    const id = await workplace.must(
      ...['rollout', 'start', ...PLATFORM, '--version', '1.0.0', '--server', server.url],
    );
    expect(id).not.toBe('');
  });

  it('takes the server from TIDEGATE_SERVER, and does nothing the second time', async () => {
    await using world = await setup();
    const { workplace, server } = world;
    workplace.env['TIDEGATE_SERVER'] = server.url;
    await workplace.must(...argumentsOf('1.0.0'));
    const before = await readdir(join(workplace.folder, 'R'), { recursive: true });
    const again = JSON.parse(await workplace.must(...argumentsOf('1.0.0', '--json')));
    expect(again.isNew).toBe(false);
    expect(await readdir(join(workplace.folder, 'R'), { recursive: true })).toEqual(before);
  });

  it('lets an online key on the command line win over TIDEGATE_SERVER', async () => {
    await using world = await setup();
    world.workplace.env['TIDEGATE_SERVER'] = 'http://127.0.0.1:1';
    await world.workplace.must(...argumentsOf('1.0.0', ...ONLINE));
  });

  it('lands all of several publishers at once', async () => {
    await using world = await setup();
    const { workplace, server } = world;
    const versions = ['1.0.0', '1.1.0', '1.2.0', '1.3.0'];
    const ran = await Promise.all(
      versions.map((version) =>
        workplace.run(...argumentsOf(version, '--server', server.url, '--json')),
      ),
    );
    expect(ran.map(({ code, stderr }) => [code, code === 0 ? '' : stderr])).toEqual(
      versions.map(() => [0, '']),
    );
    const { releases } = await statusOf(workplace);
    expect(releases.map(({ version }: { version: string }) => version).toSorted()).toEqual(
      versions,
    );
    const report = JSON.parse(await workplace.must('repo', 'verify', 'file:R', '--json'));
    expect(report).toMatchObject({ targets: 17, failures: [] });
  });

  it('lands beside a publisher that commits with the online key itself', async () => {
    await using world = await setup();
    const { workplace, server } = world;
    const ran = await Promise.all([
      workplace.run(...argumentsOf('1.0.0', '--server', server.url)),
      workplace.run(...argumentsOf('1.1.0', ...ONLINE)),
      workplace.run(...argumentsOf('1.2.0', '--server', server.url)),
    ]);
    expect(ran.map(({ code }) => code)).toEqual([0, 0, 0]);
    expect((await statusOf(workplace)).releases).toHaveLength(3);
  });

  it.each(['request', 'answer'] as const)(
    'publishes once when the first %s is lost',
    async (lost) => {
      await using world = await setup();
      const { workplace, server } = world;
      await using proxy = await lossyProxy(server.url, lost);
      const before = await statusOf(workplace);
      await workplace.must(...argumentsOf('1.0.0', '--server', proxy.url));
      expect(proxy.seen.filter((path) => path.endsWith('/commit'))).toHaveLength(2);
      const timestamp = JSON.parse(
        await readFile(join(workplace.folder, 'R', 'metadata', 'timestamp.json'), 'utf8'),
      );
      expect(timestamp.signed.version).toBe(2);
      expect(before.releases).toEqual([]);
      expect((await statusOf(workplace)).releases).toHaveLength(1);
    },
  );

  it.each([
    { case: 'no place to commit', more: [], token: TOKEN, code: 2, says: '--online-key' },
    {
      case: 'two places to commit',
      more: ['--server', 'http://127.0.0.1:1', ...ONLINE],
      token: TOKEN,
      code: 2,
      says: '--online-key',
    },
    {
      case: 'a server that is no URL',
      more: ['--server', 'somewhere'],
      token: '',
      code: 1,
      says: 'server must be like',
    },
    {
      case: 'a server that is not there',
      more: ['--server', 'http://127.0.0.1:1'],
      token: TOKEN,
      code: 1,
      says: 'no answer',
    },
    { case: 'a wrong token', more: 'server', token: 'b'.repeat(43), code: 1, says: 'token' },
  ] as const)('refuses $case before anything is sent', async ({ more, token, code, says }) => {
    await using world = await setup();
    const { workplace, server } = world;
    workplace.env['TIDEGATE_TOKEN'] = token;
    const before = await readdir(join(workplace.folder, 'R'), { recursive: true });
    const ran = await workplace.run(
      ...argumentsOf('1.0.0', ...(more === 'server' ? ['--server', server.url] : more)),
    );
    expect([ran.code, ran.stdout]).toEqual([code, '']);
    expect(ran.stderr).toContain(says);
    expect(await readdir(join(workplace.folder, 'R'), { recursive: true })).toEqual(before);
  });

  it('says so when the server works on another storage', async () => {
    await using world = await setup();
    await using other = await setup();
    const ran = await world.workplace.run(...argumentsOf('1.0.0', '--server', other.server.url));
    expect(ran.code).toBe(1);
    expect(ran.stderr).toContain('the same storage');
    expect((await statusOf(other.workplace)).releases).toEqual([]);
  });

  it('refuses a version that is published with other images', async () => {
    await using world = await setup();
    const { workplace, server } = world;
    await workplace.must(...argumentsOf('1.0.0', '--server', server.url));
    await writeImages(workplace, 'second');
    const ran = await workplace.run(...argumentsOf('1.0.0', '--server', server.url));
    expect([ran.code, ran.stderr.includes('with other bytes')]).toEqual([1, true]);
  });

  it('will not vouch for what another key signed', async () => {
    await using world = await setup();
    const { workplace, server } = world;
    await workplace.must('key', 'new', '--type', 'ed25519', '--out', 'K/stranger.pem');
    const argv = argumentsOf('1.0.0', '--server', server.url).map((word) =>
      word === 'file:K/release.pem' ? 'file:K/stranger.pem' : word,
    );
    const ran = await workplace.run(...argv);
    expect([ran.code, ran.stderr.includes('none of the given keys may sign')]).toEqual([1, true]);
  });
});

describe('--expiry-policy', () => {
  it('gives the metadata of init and publish the life that the file says', async () => {
    await using world = await setup();
    const { workplace, server } = world;
    await writeFile(join(workplace.folder, 'expiry.toml'), "releases_expiration = '30 days'\n");
    const expiresOf = async () => {
      const { stdout } = await workplace.run('repo', 'expiry', 'file:R', '--json');
      const { roles } = JSON.parse(stdout);
      return roles.find(({ role }: { role: string }) => role.startsWith('releases-')).expires;
    };
    expect(await expiresOf()).toBe('2027-03-01T12:00:00Z');
    await workplace.must(
      ...argumentsOf('1.0.0', '--server', server.url, '--expiry-policy', 'expiry.toml'),
    );
    expect(await expiresOf()).toBe('2026-03-31T12:00:00Z');
    await workplace.must(...argumentsOf('1.1.0', ...ONLINE));
    expect(await expiresOf()).toBe('2027-03-01T12:00:00Z');
    await workplace.must(
      ...['repo', 'init', 'file:Q', '--single-key', 'file:K/root1.pem'],
      ...['--release-key', 'v:x86_64=file:K/release.pem', '--expiry-policy', 'expiry.toml'],
    );
    const { stdout } = await workplace.run('repo', 'expiry', 'file:Q', '--json');
    const { roles } = JSON.parse(stdout);
    expect(roles.map(({ expires }: { expires: string }) => expires)).toContain(
      '2026-03-31T12:00:00Z',
    );
  });
});
