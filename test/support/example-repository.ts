import { initRepository } from '../../adapters/repository/init.ts';
import type { InitOptions } from '../../adapters/repository/init.ts';
import { readObject } from '../../adapters/repository/objects.ts';
import { openRepository } from '../../adapters/repository/repository.ts';
import type { Repository, RepositoryOptions } from '../../adapters/repository/repository.ts';
import type { Signer } from '../../adapters/signing/signer.ts';
import type { Storage } from '../../adapters/storage/storage.ts';
import { DEFAULT_EXPIRY_POLICY } from '../../core/tuf/lifetimes.ts';
import type { ExpiryPolicy } from '../../core/tuf/lifetimes.ts';
import { releasesRole } from '../../core/tuf/names.ts';
import { exampleSigner } from './example-keys.ts';

/** Far enough that nothing made now has expired for clients that read the real clock. */
export const NOW = new Date('2040-01-01T00:00:00.500Z');
export const PLATFORM = { variant: 'aws-k8s-1.32', arch: 'x86_64' };
export const RELEASES = releasesRole(PLATFORM);
export const FIRST_MANIFEST = '{"updates":[],"migrations":{},"rollouts":[]}';

export type ExampleSigners = Readonly<
  Record<'root1' | 'root2' | 'root3' | 'targets' | 'online' | 'release', Signer>
>;

export async function exampleSigners(): Promise<ExampleSigners> {
  return {
    root1: await exampleSigner('root1'),
    root2: await exampleSigner('root2'),
    root3: await exampleSigner('root3'),
    targets: await exampleSigner('targets'),
    online: await exampleSigner('online'),
    release: await exampleSigner('release'),
  };
}

/** Root 2 of 3 with one key of each kind; one variant whose releases are signed by an ECDSA key. */
export function initOptions(storage: Storage, signers: ExampleSigners): InitOptions {
  const { root1, root2, root3, targets, online, release } = signers;
  return {
    storage,
    now: NOW,
    root: { keys: [root1.key, root2.key, root3.key], threshold: 2 },
    targets: { keys: [targets.key], threshold: 1 },
    online: { keys: [online.key], threshold: 1 },
    releases: [{ ...PLATFORM, keys: [release.key], threshold: 1 }],
    manifest: new TextEncoder().encode(FIRST_MANIFEST),
    signers: [root1, root3, targets, online, release],
    sleep: async () => {},
  };
}

/** A repository in this storage as `repo init` leaves it, opened with a clock that stands still and no waiting. */
export async function exampleRepository(
  storage: Storage,
  changes: (options: InitOptions, signers: ExampleSigners) => Partial<InitOptions> = () => ({}),
): Promise<{
  readonly repository: Repository;
  readonly signers: ExampleSigners;
  readonly firstRoot: Uint8Array;
}> {
  const signers = await exampleSigners();
  const options = initOptions(storage, signers);
  await initRepository({ ...options, ...changes(options, signers) });
  const { bytes } = await readObject(storage, 'metadata/1.root.json', 100_000);
  return { repository: openPatient(storage), signers, firstRoot: bytes };
}

const YEAR_MS = 366 * 24 * 60 * 60 * 1000;
/** For repositories that others made, whose timestamps live longer than ours. */
export const YEARLY: ExpiryPolicy = {
  ...DEFAULT_EXPIRY_POLICY,
  timestamp: { lifetimeMs: YEAR_MS, renewalMs: YEAR_MS / 2 },
};

/** As another process would open it. */
export function openPatient(
  storage: Storage,
  options: Pick<RepositoryOptions, 'expiry'> = {},
): Repository {
  return openRepository({ storage, now: () => NOW, sleep: async () => {}, ...options });
}
