import { gzipSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import {
  delegationOf,
  NOW,
  PREFIX,
  RELEASES,
  repositoryObjects,
  set,
  targetsOf,
} from '../support/broken-repositories.ts';
import type { Breaking, Holders } from '../support/broken-repositories.ts';
import { makeWorkplace } from '../support/cli.ts';
import { serveHosts } from '../support/host-server.ts';
import type { Answer } from '../support/host-server.ts';

type Served = {
  readonly breaking?: Breaking;
  /** By the end of a name. */
  readonly answers?: Readonly<Record<string, Answer>>;
};

type Found = {
  readonly kind: string;
  readonly severity: string;
  readonly where: string;
  readonly what: string;
};

const OF_IMAGE = `${PREFIX}1.0.0-root`;

async function verify({ breaking, answers = {} }: Served, ...options: readonly string[]) {
  await using workplace = await makeWorkplace();
  workplace.now = NOW;
  await using server = await serveHosts(
    repositoryObjects(breaking),
    (name) => Object.entries(answers).find(([end]) => name.endsWith(end))?.[1],
  );
  const ran = await workplace.run('repo', 'verify', server.url, '--json', ...options);
  const report: { readonly findings: readonly Found[] } = JSON.parse(ran.stdout);
  return { ...ran, report, findings: report.findings, asked: server.asked };
}

function without(...ends: readonly string[]): Breaking {
  return {
    objects: (objects) => {
      const lost = [...objects.keys()].filter((name) => ends.some((end) => name.endsWith(end)));
      if (lost.length !== ends.length) throw new Error(`no ${ends.join()}`);
      lost.forEach((name) => objects.delete(name));
    },
  };
}

function expiring(role: string, expires: string): Breaking {
  return { signed: { [role]: (signed) => set(signed, ['expires'], expires) } };
}

const NEXT_ROOT = 'metadata/3.root.json';

describe('tidegate repo verify', () => {
  it('finds nothing in a good repository that is served well', async () => {
    const { code, report } = await verify({ breaking: { roots: 3 } });
    expect({ code, ...report }).toMatchObject({
      code: 0,
      roots: 3,
      targets: 3,
      areTargetsChecked: true,
      failures: [],
      findings: [],
      errors: 0,
      warnings: 0,
    });
  });

  it('asks for each metadata file once, however many roots are starting points', async () => {
    const { asked } = await verify({ breaking: { roots: 5 } });
    const metadata = asked.filter((name) => name.startsWith('metadata/'));
    expect(metadata.toSorted()).toEqual([...new Set(metadata)].toSorted());
  });

  it('takes 403 for the end of the roots, as buckets answer to who may not list', async () => {
    const { code, findings } = await verify({ answers: { [NEXT_ROOT]: { status: 403 } } });
    expect({ code, findings }).toEqual({ code: 0, findings: [] });
  });

  it('names the roots whose hosts are cut off, and those alone', async () => {
    const ownKey = (signed: unknown, { root3 }: Holders) =>
      set(signed, ['roles', 'root'], { keyids: [root3.id], threshold: 1 });
    const { code, findings } = await verify({
      breaking: {
        roots: 12,
        // The seventh is signed by a key of its own only, as after a takeover of the storage.
        signed: { '7.root': ownKey },
        signatures: { '7.root': (_, signAs) => [signAs('root3')] },
      },
    });
    expect(code).toBe(65);
    const stuck = findings.filter(({ what }) => what.includes('cannot update'));
    expect(stuck.map(({ where }) => where)).toEqual(['1.root.json to 6.root.json']);
  });

  it.each<Served & { readonly case: string; readonly code: number; readonly found: object }>([
    {
      case: 'the first root is not there',
      code: 64,
      found: { kind: 'root', where: '1.root.json' },
      breaking: without('/1.root.json', '/2.root.json'),
    },
    {
      case: 'the first root is none',
      code: 64,
      found: { kind: 'root', where: '1.root.json' },
      answers: { '/1.root.json': { body: Buffer.from('<html>') } },
    },
    {
      case: 'a timestamp is signed by another key',
      code: 65,
      found: { kind: 'metadata', where: '1.root.json to 2.root.json' },
      breaking: { signatures: { timestamp: (_, signAs) => [signAs('release')] } },
    },
    {
      case: 'a root is not signed by those of the one before it',
      code: 65,
      found: { kind: 'metadata', where: '1.root.json to 2.root.json' },
      breaking: { signatures: { '2.root': ([first]) => [first] } },
    },
    {
      case: 'a delegated role is signed by another key',
      code: 65,
      found: { kind: 'metadata', where: 'rollouts' },
      breaking: { signatures: { rollouts: (_, signAs) => [signAs('release')] } },
    },
    {
      case: 'a page is sent for the root that is not there yet',
      code: 65,
      found: { kind: 'metadata', where: '3.root.json' },
      answers: { [NEXT_ROOT]: { status: 200, body: Buffer.from('<html>') } },
    },
    {
      case: 'two roles may have the same name',
      code: 65,
      found: { kind: 'metadata', where: 'targets', what: expect.stringMatching(/^one-owner: /) },
      breaking: {
        added: { other: targetsOf() },
        signed: {
          targets: (signed, { release }) =>
            set(signed, ['delegations', 'roles'], (roles: readonly unknown[]) => [
              ...roles,
              delegationOf('other', [`${PREFIX}1*`], release),
            ]),
        },
      },
    },
    {
      case: 'one client alone would refuse it',
      code: 65,
      found: { kind: 'profile', where: RELEASES, what: expect.stringMatching(/^empty-custom: /) },
      breaking: {
        signed: { [RELEASES]: (signed) => set(signed, ['targets', OF_IMAGE, 'custom'], {}) },
      },
    },
    {
      case: 'a role has another version than the snapshot says',
      code: 66,
      found: { kind: 'version', where: 'rollouts' },
      breaking: {
        signed: { snapshot: (signed) => set(signed, ['meta', 'rollouts.json', 'version'], 2) },
        objects: (objects) => {
          const rollouts = objects.get('metadata/1.rollouts.json');
          if (rollouts !== undefined) objects.set('metadata/2.rollouts.json', rollouts);
        },
      },
    },
    {
      case: 'a root has another version than its name',
      code: 66,
      found: { kind: 'version', where: '1.root.json' },
      breaking: { signed: { '2.root': (signed) => set(signed, ['version'], 3) } },
    },
    {
      case: 'the timestamp is answered with 500',
      code: 67,
      found: { kind: 'transport', where: '1.root.json to 2.root.json' },
      answers: { '/timestamp.json': { status: 500 } },
    },
    {
      case: 'the next root is answered with 500, where hosts wait for 404',
      code: 67,
      found: { kind: 'transport', where: '3.root.json' },
      answers: { [NEXT_ROOT]: { status: 500 } },
    },
    {
      case: 'the next root is answered with 410',
      code: 67,
      found: { kind: 'transport', where: '3.root.json' },
      answers: { [NEXT_ROOT]: { status: 410 } },
    },
    {
      case: 'that there is no next root is kept for a day',
      code: 67,
      found: { kind: 'transport', where: NEXT_ROOT },
      answers: { [NEXT_ROOT]: { headers: { 'cache-control': 'max-age=86400' } } },
    },
    {
      case: 'a delegated role is answered with 503',
      code: 67,
      found: { kind: 'transport', where: '1.rollouts.json' },
      answers: { '/1.rollouts.json': { status: 503 } },
    },
    {
      case: 'a target breaks off in the middle',
      code: 67,
      found: { kind: 'transport', where: OF_IMAGE },
      answers: { [OF_IMAGE]: { isCut: true } },
    },
    {
      case: 'a target is compressed on its way',
      code: 67,
      found: { kind: 'transport', where: expect.stringMatching(/-1\.0\.0-root$/) },
      answers: {
        [OF_IMAGE]: {
          body: gzipSync(Buffer.from('root')),
          headers: { 'content-encoding': 'gzip' },
          ignoresRanges: true,
        },
      },
    },
    {
      case: 'the timestamp may be kept for a day',
      code: 67,
      found: { kind: 'transport', where: 'metadata/timestamp.json' },
      answers: { '/timestamp.json': { headers: { 'cache-control': 'max-age=86400' } } },
    },
    {
      case: 'the timestamp has expired',
      code: 68,
      found: { kind: 'expired', where: '1.root.json to 2.root.json' },
      breaking: expiring('timestamp', '2039-12-31T23:59:59Z'),
    },
    {
      case: 'a delegated role has expired',
      code: 68,
      found: { kind: 'expired', where: 'rollouts' },
      breaking: expiring('rollouts', '2039-12-31T23:59:59Z'),
    },
    {
      case: 'a role that the snapshot names is not there',
      code: 69,
      found: { kind: 'missing-metadata', where: '1.rollouts.json' },
      breaking: without('/1.rollouts.json'),
    },
    {
      case: 'a root in the middle is lost',
      code: 69,
      found: { kind: 'missing-metadata', where: '2.root.json' },
      breaking: { ...without('/2.root.json'), roots: 3 },
    },
    {
      case: 'a target is not there',
      code: 71,
      found: { kind: 'target-missing', where: OF_IMAGE },
      breaking: without(OF_IMAGE),
    },
    {
      case: 'a target has other bytes',
      code: 72,
      found: { kind: 'target', where: OF_IMAGE },
      answers: { [OF_IMAGE]: { body: Buffer.from('r00t') } },
    },
    {
      case: 'a target has more bytes',
      code: 72,
      found: { kind: 'target', where: OF_IMAGE },
      answers: { [OF_IMAGE]: { body: Buffer.from('root and more') } },
    },
    {
      case: 'the timestamp is about to expire',
      code: 73,
      found: { kind: 'expires-soon', where: 'timestamp' },
      breaking: expiring('timestamp', '2040-01-03T23:59:59Z'),
    },
  ])('exits $code when $case', async ({ code, found, ...served }) => {
    const ran = await verify(served);
    expect(ran.code).toBe(code);
    expect(ran.stderr).toContain('tidegate: error: ');
    expect(ran.findings).toContainEqual(expect.objectContaining({ severity: 'error', ...found }));
    expect(ran.findings[0]).toMatchObject({ kind: expect.any(String), severity: 'error' });
  });

  it.each<Served & { readonly case: string; readonly what: RegExp }>([
    {
      case: 'nobody is told to keep what never changes',
      what: /never changes/,
      answers: { '/1.targets.json': { headers: { 'cache-control': undefined } } },
    },
    {
      case: 'what never changes is not to be kept',
      what: /never changes/,
      answers: { [OF_IMAGE]: { headers: { 'cache-control': 'no-store, immutable' } } },
    },
    {
      case: 'nobody is told how long to keep the timestamp',
      what: /nothing says so/,
      answers: { '/timestamp.json': { headers: { 'cache-control': undefined } } },
    },
    {
      case: 'there are no ETags',
      what: /ETag/,
      answers: { [OF_IMAGE]: { headers: { etag: undefined } } },
    },
    {
      case: 'ranges are not offered',
      what: /Accept-Ranges/,
      answers: { [OF_IMAGE]: { headers: { 'accept-ranges': undefined } } },
    },
    {
      case: 'ranges are offered and ignored',
      what: /answered with 206, got 200/,
      answers: { '-release.json': { ignoresRanges: true } },
    },
  ])('warns and exits 0 when $case', async ({ what, ...served }) => {
    const { code, findings } = await verify(served);
    expect(code).toBe(0);
    expect(findings).toEqual([
      expect.objectContaining({ severity: 'warning', what: expect.stringMatching(what) }),
    ]);
  });

  it('warns of a file that the snapshot names although nobody delegates to it', async () => {
    const { code, findings } = await verify({
      breaking: {
        signed: {
          snapshot: (signed) => {
            const old = { version: 7, length: 1, hashes: { sha256: 'ab'.repeat(32) } };
            return set(signed, ['meta', 'retired.json'], old);
          },
        },
      },
    });
    expect(code).toBe(0);
    expect(findings).toEqual([
      expect.objectContaining({
        kind: 'missing-metadata',
        severity: 'warning',
        where: '7.retired.json',
      }),
    ]);
  });

  it('says a setting that is wrong for all files once', async () => {
    const { findings } = await verify({ answers: { '.json': { headers: { etag: undefined } } } });
    expect(findings).toEqual([
      expect.objectContaining({ where: 'metadata/1.root.json and 8 more', what: 'has no ETag' }),
    ]);
  });

  it('exits with the most serious of all that it finds', async () => {
    const { code, findings } = await verify({
      breaking: { ...expiring('timestamp', '2040-01-02T00:00:00Z'), ...without(OF_IMAGE) },
    });
    expect(code).toBe(71);
    expect(findings.map(({ kind }) => kind)).toEqual(['target-missing', 'expires-soon']);
  });

  it('looks as far ahead as it is told', async () => {
    const breaking = expiring('timestamp', '2040-01-03T00:00:00Z');
    expect((await verify({ breaking }, '--expiry-horizon', '1 day')).code).toBe(0);
    expect((await verify({ breaking }, '--expiry-horizon', '3 weeks')).code).toBe(73);
    await using workplace = await makeWorkplace();
    const wrong = await workplace.run('repo', 'verify', 'file:R', '--expiry-horizon', 'soon');
    expect(wrong.code).toBe(2);
  });

  it('fetches no target when it is asked for the metadata only', async () => {
    const { code, report, asked } = await verify(
      { breaking: without(OF_IMAGE) },
      '--metadata-only',
    );
    expect(code).toBe(0);
    expect(report).toMatchObject({ targets: 3, areTargetsChecked: false });
    expect(asked.filter((name) => name.startsWith('targets/'))).toEqual([]);
  });

  it('forgives what one client alone would refuse, when it is told to', async () => {
    const breaking: Breaking = {
      signed: { [RELEASES]: (signed) => set(signed, ['targets', OF_IMAGE, 'custom'], {}) },
    };
    expect((await verify({ breaking }, '--no-profile')).code).toBe(0);
  });

  it('exits 67 when nobody answers', async () => {
    await using workplace = await makeWorkplace();
    const { url } = await (async () => {
      await using server = await serveHosts(new Map());
      return server;
    })();
    expect((await workplace.run('repo', 'verify', url)).code).toBe(67);
  });

  it('lets no repository write to the terminal', async () => {
    await using workplace = await makeWorkplace();
    workplace.now = NOW;
    await using server = await serveHosts(
      repositoryObjects({
        signed: { rollouts: (signed) => set(signed, ['expires'], '\u001B[2J') },
      }),
    );
    const { stdout, stderr } = await workplace.run('repo', 'verify', server.url);
    expect(stdout + stderr).not.toContain('\u001B[2J');
  });
});
