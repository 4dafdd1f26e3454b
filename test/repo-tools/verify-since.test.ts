import { generateKeyPairSync } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { NOW, repositoryObjects, ringOf, set } from '../support/broken-repositories.ts';
import type { Breaking } from '../support/broken-repositories.ts';
import { makeWorkplace } from '../support/cli.ts';
import type { Workplace } from '../support/cli.ts';
import { serveHosts } from '../support/host-server.ts';

const ed25519 = () => generateKeyPairSync('ed25519').privateKey;

/** Their signatures are the same every time, and so are the files. */
const privateKeys = {
  root1: ed25519(),
  root2: ed25519(),
  root3: ed25519(),
  targets: ed25519(),
  online: ed25519(),
  release: ed25519(),
};

/** Versions, and other changes of a role. */
function versions(
  of: Readonly<Record<string, number>>,
  more: Breaking['signed'] = {},
): Pick<Breaking, 'signed'> {
  const roles = [...new Set([...Object.keys(of), ...Object.keys(more)])];
  return {
    signed: Object.fromEntries(
      roles.map((role) => [
        role,
        (signed, holders) => {
          const changed = more[role]?.(signed, holders) ?? signed;
          const version = of[role];
          return version === undefined ? changed : set(changed, ['version'], version);
        },
      ]),
    ),
  };
}

const SECOND = { rollouts: 2, snapshot: 2, timestamp: 2 };
const OTHER_EXPIRY = (signed: unknown) => set(signed, ['expires'], '2042-01-01T00:00:00Z');

/** The third root gives snapshot and timestamp to the release key instead of the online key. */
function newOnlineKey(roles: readonly string[]): Breaking {
  return {
    roots: 3,
    ...versions(
      { rollouts: 1, snapshot: 1, timestamp: 1 },
      {
        '3.root': (signed, { root1, root2, root3, targets, online, release }) =>
          roles.reduce(
            (root, role) => set(root, ['roles', role, 'keyids'], [release.id]),
            set(signed, ['keys'], ringOf(root1, root2, root3, targets, online, release)),
          ),
      },
    ),
    signatures: Object.fromEntries(
      roles.map((role) => [role, (_, signAs) => [signAs('release')]] as const),
    ),
  };
}

async function verifyIn(
  workplace: Workplace,
  breaking: Breaking,
  ...options: readonly string[]
): Promise<{ readonly code: number; readonly stderr: string; readonly report: unknown }> {
  workplace.now = NOW;
  await using server = await serveHosts(repositoryObjects({ privateKeys, ...breaking }));
  const ran = await workplace.run('repo', 'verify', server.url, '--json', ...options);
  return { ...ran, report: ran.stdout === '' ? null : JSON.parse(ran.stdout) };
}

async function timestampIn(workplace: Workplace): Promise<string> {
  return readFile(join(workplace.folder, 'copy/metadata/timestamp.json'), 'utf8');
}

describe('tidegate repo verify --save', () => {
  it('keeps the metadata as a repository that can be looked at like any other', async () => {
    await using workplace = await makeWorkplace();
    const { code, report } = await verifyIn(workplace, {}, '--save', 'copy');
    expect({ code, report }).toMatchObject({ code: 0, report: { isSaved: true } });
    expect((await readdir(join(workplace.folder, 'copy/metadata'))).toSorted()).toEqual([
      '1.releases-aws-k8s-1.32-x86_64.json',
      '1.rollouts.json',
      '1.root.json',
      '1.snapshot.json',
      '1.targets.json',
      '2.root.json',
      'timestamp.json',
    ]);
    const lint = await workplace.run('repo', 'lint', 'file:copy');
    expect(lint.code).toBe(0);
    const seen = await workplace.run('repo', 'verify', 'file:copy', '--metadata-only');
    expect(seen.code).toBe(0);
  });

  it('keeps sound metadata although a target is missing', async () => {
    await using workplace = await makeWorkplace();
    const { code, report } = await verifyIn(
      workplace,
      {
        objects: (objects) =>
          [...objects.keys()]
            .filter((name) => name.startsWith('targets/'))
            .forEach((name) => objects.delete(name)),
      },
      ...['--save', 'copy'],
    );
    expect({ code, report }).toMatchObject({ code: 71, report: { isSaved: true } });
  });

  it.each<{ readonly case: string; readonly breaking: Breaking }>([
    {
      case: 'is expired',
      breaking: versions(SECOND, {
        timestamp: (signed) => set(signed, ['expires'], '2039-01-01T00:00:00Z'),
      }),
    },
    {
      case: 'is signed by another key',
      breaking: {
        ...versions(SECOND),
        signatures: { timestamp: (_, signAs) => [signAs('release')] },
      },
    },
    {
      case: 'is not all there',
      breaking: {
        ...versions(SECOND),
        objects: (objects) => objects.delete('metadata/2.rollouts.json'),
      },
    },
  ])('leaves the copy as it is when the metadata $case', async ({ breaking }) => {
    await using workplace = await makeWorkplace();
    await verifyIn(workplace, {}, '--save', 'copy');
    const before = await timestampIn(workplace);
    const { report, stderr } = await verifyIn(workplace, breaking, '--save', 'copy');
    expect(report).toMatchObject({ isSaved: false });
    expect(stderr).toContain('tidegate: hint: ');
    expect(await timestampIn(workplace)).toBe(before);
  });

  it('refuses a folder that holds another repository', async () => {
    await using workplace = await makeWorkplace();
    await verifyIn(workplace, {}, '--save', 'copy');
    const before = await timestampIn(workplace);
    const other = { ...privateKeys, targets: ed25519() };
    const { code, stderr } = await verifyIn(
      workplace,
      { privateKeys: other },
      ...['--save', 'copy'],
    );
    expect(code).toBe(1);
    expect(stderr).toContain('1.root.json');
    expect(await timestampIn(workplace)).toBe(before);
  });
});

describe('tidegate repo verify --since', () => {
  it('goes forward with a copy that is saved each time, as a cron job would', async () => {
    await using workplace = await makeWorkplace();
    const options = ['--since', 'copy', '--save', 'copy'];
    expect((await verifyIn(workplace, {}, '--save', 'copy')).code).toBe(0);
    expect((await verifyIn(workplace, versions(SECOND), ...options)).code).toBe(0);
    expect((await verifyIn(workplace, versions(SECOND), ...options)).code).toBe(0);
    expect((await verifyIn(workplace, {}, ...options)).code).toBe(70);
    expect((await verifyIn(workplace, versions(SECOND), ...options)).code).toBe(0);
  });

  it.each<{ readonly case: string; readonly where: string; readonly breaking: Breaking }>([
    {
      case: 'the timestamp goes back',
      where: 'timestamp',
      breaking: versions({ ...SECOND, timestamp: 1 }),
    },
    {
      case: 'the timestamp has the same version and other content',
      where: 'timestamp',
      breaking: versions(SECOND, { timestamp: OTHER_EXPIRY }),
    },
    {
      case: 'the snapshot goes back under a newer timestamp',
      where: 'snapshot',
      breaking: versions({ rollouts: 2, snapshot: 1, timestamp: 3 }),
    },
    {
      case: 'a role goes back under a newer snapshot',
      where: 'rollouts',
      breaking: versions({ rollouts: 1, snapshot: 3, timestamp: 3 }),
    },
    {
      case: 'the snapshot names a role no more',
      where: 'rollouts',
      breaking: versions(
        { rollouts: 2, snapshot: 3, timestamp: 3 },
        { snapshot: (signed) => set(signed, ['meta', 'rollouts.json'], undefined) },
      ),
    },
    {
      case: 'a name with a version has other bytes',
      where: '2.rollouts.json',
      breaking: versions({ rollouts: 2, snapshot: 3, timestamp: 3 }, { rollouts: OTHER_EXPIRY }),
    },
    {
      case: 'the newest root is taken away',
      where: '2.root.json',
      breaking: { ...versions(SECOND), roots: 1 },
    },
    {
      case: 'the first root is another one',
      where: '1.root.json',
      breaking: versions(SECOND, { '1.root': OTHER_EXPIRY }),
    },
    {
      case: 'versions start again with new timestamp keys alone: the snapshot is still believed',
      where: 'rollouts',
      breaking: newOnlineKey(['timestamp']),
    },
  ])('exits 70 when $case', async ({ where, breaking }) => {
    await using workplace = await makeWorkplace();
    await verifyIn(workplace, versions(SECOND), '--save', 'copy');
    const before = await timestampIn(workplace);
    const options = ['--since', 'copy', '--save', 'copy'];
    const { code, report } = await verifyIn(workplace, breaking, ...options);
    expect(code).toBe(70);
    expect(report).toMatchObject({
      isSaved: false,
      findings: expect.arrayContaining([expect.objectContaining({ kind: 'rollback', where })]),
    });
    expect(await timestampIn(workplace)).toBe(before);
  });

  it('lets versions start again after a recovery with new snapshot and timestamp keys', async () => {
    await using workplace = await makeWorkplace();
    await verifyIn(workplace, versions(SECOND), '--save', 'copy');
    const recovered = newOnlineKey(['timestamp', 'snapshot']);
    const options = ['--since', 'copy', '--save', 'copy'];
    const { code, report } = await verifyIn(workplace, recovered, ...options);
    expect({ code, report }).toMatchObject({ code: 0, report: { findings: [], isSaved: true } });
    expect((await verifyIn(workplace, recovered, ...options)).code).toBe(0);
  });

  it('is called wrongly with a folder that holds no copy', async () => {
    await using workplace = await makeWorkplace();
    const { code, stderr } = await verifyIn(workplace, {}, '--since', 'copy');
    expect(code).toBe(2);
    expect(stderr).toContain('--save copy');
  });
});
