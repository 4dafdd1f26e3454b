import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openSigner } from '../../adapters/signing/open.ts';
import { openStorage } from '../../adapters/storage/open.ts';
import { fastForward, FORGED_VERSION } from '../support/fast-forward.ts';
import { writePubsysRepository } from '../support/pubsys-repository.ts';
import { OTHER_PLATFORM, PLATFORM } from './life.ts';
import type { Life } from './life.ts';
import type { State } from './state.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
/** Root and every role that delegates were replaced and renewed until here. */
export const LAST_ROOT = 12;
const ECS = 'aws-ecs-2:aarch64';
/** Nothing of all this changes what hosts are offered. */
const shows = { rollouts: ['rolled-back', 'withdrawn'], offered: [] };

/** What happens to keys, thresholds and whole repositories, after what happened to releases. */
export const TRUST_STATES: readonly State[] = [
  {
    name: 'after release amend',
    make: (life) => life.release('amend', '1.2.0', '--notes', 'https://example.com/1.2.0'),
    shows,
  },
  {
    name: 'after release withdraw',
    make: (life) => life.release('withdraw', '1.3.0'),
    shows,
  },
  {
    name: 'after delegate add',
    make: (life) => life.change('delegate', 'add', life.url, ...platformKeys(life, ECS)),
    shows,
  },
  {
    name: 'after delegate replace',
    make: async (life) => {
      await life.newKeys('release');
      await life.change('delegate', 'replace', life.url, ...platformKeys(life, ECS));
      await life.change('delegate', 'replace', life.url, ...platformKeys(life, OTHER_PLATFORM));
      const own = `${PLATFORM.variant}:${PLATFORM.arch}`;
      await life.change('delegate', 'replace', life.url, ...platformKeys(life, own));
    },
    shows,
  },
  {
    name: 'after delegate remove',
    make: (life) => life.change('delegate', 'remove', life.url, ECS),
    shows,
  },
  {
    name: 'after rotation of releases',
    make: (life) => life.rotate('release'),
    shows,
  },
  {
    name: 'after rotation of targets',
    make: (life) => life.rotate('targets'),
    shows,
  },
  {
    name: 'after rotation of root',
    make: (life) => life.rotate('root'),
    shows,
  },
  {
    name: 'after rotation of the online keys',
    make: (life) => life.rotate('online'),
    shows,
  },
  {
    name: 'after a ceremony that raises the threshold of root',
    make: raiseThreshold,
    shows,
  },
  {
    name: 'after a fast-forward attack',
    make: skipAhead,
    shows,
  },
  {
    name: 'after recover',
    make: recover,
    shows,
  },
  {
    name: `after ${LAST_ROOT} roots`,
    make: async (life) => {
      while ((await newestRoot(life)) < LAST_ROOT) {
        await life.change('root', 'propose', life.url, '--renew', 'root', 'targets');
      }
    },
    shows,
    roots: LAST_ROOT,
  },
  {
    name: 'after gc',
    make: async (life) => {
      const { removed }: { readonly removed: readonly unknown[] } = JSON.parse(
        await life.runAt(2 * DAY_MS, 'repo', 'gc', life.url, '--keep-for', '1 day', '--json'),
      );
      if (removed.length === 0) throw new Error('gc removed nothing');
    },
    shows,
  },
  {
    name: 'after import',
    make: importRelease,
    shows: { rollouts: ['rolled-back', 'withdrawn', 'running'], offered: ['1.44.0'] },
  },
  {
    name: 'after mirror',
    make: async (life) => {
      await life.run('repo', 'mirror', life.url, 'file:M');
      life.url = 'file:M';
    },
    shows: { rollouts: ['rolled-back', 'withdrawn', 'running'], offered: ['1.44.0'] },
  },
];

/** What a thief of the online key does. */
export async function skipAhead(life: Life): Promise<void> {
  const { folder: cwd, env } = life.workplace;
  const [source = ''] = life.keysOf('online');
  await using thief = await openSigner(source, { cwd, env });
  await using storage = await openStorage(life.url, { access: 'write', cwd, env });
  await fastForward(storage, thief);
}

/** Throws if a role did not start again. */
export async function recover(life: Life): Promise<void> {
  const keys = await life.newKeys('online');
  const restart = ['--restart-role', 'rollouts'];
  await life.change('recover', life.url, '--new-online-key', ...keys, ...restart);
  const { roles }: { readonly roles: readonly { role: string; version: number }[] } = JSON.parse(
    await life.run('repo', 'status', life.url, '--json'),
  );
  const forged = roles.find(({ version }) => version >= FORGED_VERSION);
  if (forged !== undefined) throw new Error(`${forged.role} did not start again`);
}

function platformKeys(life: Life, platform: string): readonly string[] {
  return life.keysOf('release').map((key) => `${platform}=${key}`);
}

async function newestRoot(life: Life): Promise<number> {
  const { roles }: { readonly roles: readonly { readonly version: number }[] } = JSON.parse(
    await life.run('repo', 'status', life.url, '--json'),
  );
  return roles[0]?.version ?? 0;
}

/** Everybody signs a file alone, as if it came by mail. */
async function raiseThreshold(life: Life): Promise<void> {
  const file = ['--in', 'proposal.json'];
  await life.run(
    ...['repo', 'root', 'propose', life.url, '--threshold', 'root=3', '--reason', 'a test'],
    ...['--out', 'proposal.json'],
  );
  const { fingerprint }: { readonly fingerprint: string } = JSON.parse(
    await life.run('repo', 'root', 'review', ...file, '--json'),
  );
  for (const key of life.keysOf('root')) {
    await life.run('repo', 'root', 'sign', ...file, '--key', key, '--reviewed', fingerprint);
  }
  const online = ['--online-key', ...life.keysOf('online')];
  await life.run('repo', 'root', 'apply', life.url, ...file, ...online);
}

async function importRelease(life: Life): Promise<void> {
  const source = join(life.workplace.folder, 'S');
  const { files } = await writePubsysRepository(source, {
    ...PLATFORM,
    updates: [{ version: '1.44.0' }],
    expires: new Date(Date.now() + 30 * DAY_MS).toISOString(),
  });
  const {
    releases,
  }: { readonly releases: readonly { readonly files: readonly ImportedFile[] }[] } = JSON.parse(
    await life.run(
      ...['repo', 'import', life.url, '--from', 'S', '--root', 'S/root.json', '--json'],
      ...life.releaseKeys(),
    ),
  );
  const imported = (releases[0]?.files ?? []).map(async (file) => {
    const path = join(source, files.get(file.source) ?? '');
    return [file.target, await readFile(path)] as const;
  });
  life.expect('1.44.0', new Map(await Promise.all(imported)));
}

type ImportedFile = { readonly target: string; readonly source: string };
