import { createPrivateKey } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { CLIENTS } from './clients.ts';
import { beginLife } from './life.ts';
import type { Life } from './life.ts';
import { openVisitor } from './reading.ts';
import type { Way } from './reading.ts';
import { KEY_KINDS } from './states.ts';
import { editionOptions, expiriesWith, metadataUrl, mustTuftool } from './tuftool-repository.ts';
import type { Expiries } from './tuftool-repository.ts';

const [{ keys: ED25519 }] = KEY_KINDS;

async function setup(change: Partial<typeof ED25519> = {}): Promise<Life> {
  const life = await beginLife({ keys: { ...ED25519, ...change } });
  await life.init();
  await life.publish('1.0.0');
  return life;
}

/** RSA stays PEM; tuftool signs with other keys only as DER. */
async function keyForTuftool(life: Life, name: string): Promise<string> {
  const pem = join(life.workplace.folder, 'K', `${name}.pem`);
  const privateKey = createPrivateKey(await readFile(pem));
  if (privateKey.asymmetricKeyType === 'rsa') return pem;
  const file = join(life.workplace.folder, 'K', `${name}.der`);
  await writeFile(file, privateKey.export({ type: 'pkcs8', format: 'der' }));
  return file;
}

/** Signs targets, snapshot and timestamp anew, in place. */
async function updateWithTuftool(life: Life, expiries: Expiries): Promise<void> {
  const { folder } = life.workplace;
  await mustTuftool(
    folder,
    ...['update', '--root', 'R/metadata/1.root.json', '--metadata-url', metadataUrl(folder, 'R')],
    ...['--key', await keyForTuftool(life, 'online')],
    ...['--key', await keyForTuftool(life, 'targets')],
    ...[...editionOptions(20, expiries), '--outdir', 'R'],
  );
}

async function versions(life: Life): Promise<Record<string, number>> {
  const { roles }: { readonly roles: readonly { readonly role: string; version: number }[] } =
    JSON.parse(await life.run('repo', 'status', 'file:R', '--json'));
  return Object.fromEntries(roles.map(({ role, version }) => [role, version]));
}

describe('a repository that tuftool update signed anew', () => {
  it.each(CLIENTS)(
    'is read by $name, and after our next publish too',
    async (client) => {
      await using life = await setup({ online: 'rsa', targets: 'rsa' });
      await using visitor = await openVisitor(client);
      const ways: readonly Way[] = ['first visit', 'from the state before'];
      const readAll = async () => Promise.all(ways.map((way) => visitor.read(life, way)));
      expect(await readAll()).toEqual(['read', 'read']);
      await updateWithTuftool(life, expiriesWith(''));
      expect(await readAll()).toEqual(['read', 'read']);
      await life.publish('1.1.0', '1.0.0');
      expect(await readAll()).toEqual(['read', 'read']);
    },
    60_000,
  );

  it.each(['rsa', 'ed25519'] as const)(
    'is ours to go on with, with %s keys',
    async (type) => {
      await using life = await setup({ online: type, targets: type });
      await updateWithTuftool(life, expiriesWith(''));
      expect(await versions(life)).toMatchObject({ targets: 20, snapshot: 20, timestamp: 20 });
      const id = await (async () => {
        await life.publish('1.1.0', '1.0.0');
        return life.start('1.1.0');
      })();
      await life.rollout('pause', id, '--reason', 'a closer look', '--yes');
      expect(await life.shown()).toEqual({ rollouts: ['paused'], offered: [] });
      expect(await versions(life)).toMatchObject({ targets: 20, snapshot: 23, timestamp: 23 });
      const verified = JSON.parse(
        await life.run('repo', 'verify', 'file:R', '--no-profile', '--json'),
      );
      expect(verified).toMatchObject({ targets: 9, failures: [] });
    },
    60_000,
  );

  it('can not come from our ECDSA keys: tuftool knows its own type of key for them only', async () => {
    await using life = await setup({ online: 'ecdsa-p256', targets: 'ecdsa-p256' });
    await expect(updateWithTuftool(life, expiriesWith(''))).rejects.toThrow(
      /Unable to match any of the provided keys/,
    );
  });

  // python-tuf reads whole seconds only; go-tuf and tough write the time anew before they verify, and go-tuf leaves out a
  // zero at the end. So we write whole seconds, and read what there is.
  it.each([
    { fraction: '.936813246', refusedBy: ['python-tuf'] },
    { fraction: '.936813240', refusedBy: ['python-tuf', 'go-tuf'] },
  ])(
    'expires at a fraction of a second, $fraction',
    async ({ fraction, refusedBy }) => {
      await using life = await setup();
      await updateWithTuftool(life, expiriesWith(fraction));
      expect(await versions(life)).toMatchObject({ targets: 20, snapshot: 20, timestamp: 20 });
      const verified = JSON.parse(
        await life.run('repo', 'verify', 'file:R', '--no-profile', '--json'),
      );
      expect(verified).toMatchObject({ targets: 5, failures: [] });
      const refused = [];
      for (const client of CLIENTS) {
        await using visitor = await openVisitor(client);
        if ((await visitor.read(life, 'first visit')) !== 'read') refused.push(client.name);
      }
      expect(refused).toEqual(refusedBy);
    },
    60_000,
  );
});
