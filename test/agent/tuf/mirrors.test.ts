import { describe, expect, it } from '@jest/globals';
import { refreshRepository } from '../../../agent/tuf/client.ts';
import type { TufOptions } from '../../../agent/tuf/client.ts';
import { PLATFORM } from '../../support/example-repository.ts';
import { hostWorld } from '../../support/host-world.ts';
import type { HostWorld } from '../../support/host-world.ts';
import { tufOptionsOf } from '../../support/tuf-options.ts';
import { codeOf } from '../error-code.ts';
import { serve } from '../loopback-server.ts';

const DOCUMENT = 'aws-k8s-1.32-x86_64-1.1.0-release.json';

type Failures = { readonly url: string; readonly code: string }[];

/** The world's own server is the mirror; the first place is `url`. */
function optionsOf(world: HostWorld, url: string, failures: Failures = []): TufOptions {
  const { metadataUrl, targetsUrl, ...rest } = tufOptionsOf(world);
  return {
    ...rest,
    ...{ metadataUrl: `${url}metadata/`, targetsUrl: `${url}targets/` },
    mirrors: [{ metadataUrl, targetsUrl }],
    stallMs: 50,
    onPlaceFailed: (failure) => failures.push(failure),
  };
}

async function published(world: HostWorld, name: string): Promise<Buffer> {
  const { body } = await world.storage.get(name);
  return Buffer.concat(await Array.fromAsync(body));
}

/** A place that holds what the world held when it was opened. */
async function openCopy(world: HostWorld, lies: Readonly<Record<string, Buffer | number>> = {}) {
  const names = await Array.fromAsync(world.storage.list(''));
  const files = new Map<string, Buffer>();
  for (const { name } of names) files.set(`/${name}`, await published(world, name));
  return serve((request, response) => {
    const [, lie] = Object.entries(lies).find(([part]) => request.url?.includes(part)) ?? [];
    const answer = lie ?? files.get(request.url ?? '') ?? 404;
    if (typeof answer === 'number') response.writeHead(answer).end();
    else response.end(answer);
  });
}

describe('a repository with a mirror', () => {
  it.each([
    { first: 'is not there', code: 'agent/unreachable', answer: null },
    { first: 'never answers', code: 'agent/unreachable', answer: 'silence' as const },
    { first: 'has nothing', code: 'agent/not-there', answer: 404 },
    { first: 'wants a password', code: 'agent/answer', answer: 401 },
    { first: 'lies', code: 'agent/metadata', answer: Buffer.from('{"signed":{}}') },
    { first: 'floods', code: 'agent/too-large', answer: Buffer.alloc(600_000, ' ') },
  ])('is read there when the first place $first', async ({ code, answer }) => {
    await using world = await hostWorld();
    const failures: Failures = [];
    await using server = await serve((_request, response) => {
      if (answer === 'silence') return;
      if (typeof answer === 'number') response.writeHead(answer).end();
      else response.end(answer);
    });
    if (answer === null) await server[Symbol.asyncDispose]();
    const repository = await refreshRepository(optionsOf(world, server.url, failures));
    await expect(repository.readTarget(DOCUMENT)).resolves.toBeInstanceOf(Uint8Array);
    await expect(repository.publishedVersions(PLATFORM)).resolves.toEqual(['1.0.0', '1.1.0']);
    expect(failures).toEqual([expect.objectContaining({ url: `${server.url}metadata/`, code })]);
    const file = await repository.targetInfo(DOCUMENT);
    expect(file?.url.startsWith(world.url)).toBe(true);
    expect(file?.mirrors?.map((url) => url.startsWith(server.url))).toEqual([true]);
  });

  it('is read there when the first place went back to what this host has seen already', async () => {
    await using world = await hostWorld();
    await using old = await openCopy(world);
    await world.publish('1.2.0');
    await refreshRepository(tufOptionsOf(world));
    const failures: Failures = [];
    const repository = await refreshRepository(optionsOf(world, old.url, failures));
    await expect(repository.publishedVersions(PLATFORM)).resolves.toContain('1.2.0');
    expect(failures).toMatchObject([{ code: 'agent/rollback' }]);
  });

  it.each([
    { case: 'lost', lie: 404, code: 'agent/not-there' },
    { case: 'replaced', lie: Buffer.from('{}'), code: 'agent/metadata' },
  ])('goes on there when a role was $case at the first place', async ({ lie, code }) => {
    await using world = await hostWorld();
    await using broken = await openCopy(world, { '.releases-aws': lie });
    const failures: Failures = [];
    const repository = await refreshRepository(optionsOf(world, broken.url, failures));
    await expect(repository.publishedVersions(PLATFORM)).resolves.toEqual(['1.0.0', '1.1.0']);
    expect(failures).toMatchObject([{ code }]);
  });

  it('reads a document there when the first place has other bytes for it', async () => {
    await using world = await hostWorld();
    const document = await published(world, await objectOf(world, DOCUMENT));
    const other = Buffer.from(document).fill('x');
    await using broken = await openCopy(world, { [DOCUMENT]: other });
    const failures: Failures = [];
    const repository = await refreshRepository(optionsOf(world, broken.url, failures));
    await expect(repository.readTarget(DOCUMENT)).resolves.toEqual(document);
    expect(failures).toMatchObject([{ code: 'agent/metadata' }]);
  });

  it('is verified no less there: a mirror that lies as well is refused', async () => {
    await using world = await hostWorld();
    world.tamper = (path) => (path.endsWith('timestamp.json') ? { status: 200, body: '{}' } : null);
    await using empty = await serve((_request, response) => {
      response.writeHead(404).end();
    });
    const failures: Failures = [];
    const refreshed = refreshRepository(optionsOf(world, empty.url, failures));
    expect(await codeOf(refreshed)).toBe('agent/not-there');
    expect(failures).toHaveLength(1);
  });

  it('counts as away when one place is away and the other one lies', async () => {
    await using world = await hostWorld();
    world.tamper = () => ({ status: 500 });
    await using liar = await serve((_request, response) => {
      response.end('{}');
    });
    expect(await codeOf(refreshRepository(optionsOf(world, liar.url)))).toBe('agent/unreachable');
  });

  it('does not ask anybody else when it is this host that is at fault', async () => {
    await using world = await hostWorld();
    const options = optionsOf(world, `${world.url}/repo/`);
    const refreshed = refreshRepository({ ...options, trustAnchor: '/nowhere/root.json' });
    expect(await codeOf(refreshed)).toBe('agent/config');
    expect(world.requests).toEqual([]);
  });
});

async function objectOf({ storage }: HostWorld, target: string): Promise<string> {
  for await (const { name } of storage.list('')) if (name.endsWith(target)) return name;
  throw new Error(`no object of ${target}`);
}
