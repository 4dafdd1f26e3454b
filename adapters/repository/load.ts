import { TufError } from '../../core/tuf/errors.ts';
import {
  MAX_LENGTHS,
  parseRoot,
  parseSnapshot,
  parseTargets,
  parseTimestamp,
} from '../../core/tuf/metadata.ts';
import type {
  MetaFile,
  ReadMetadata,
  RootMetadata,
  SnapshotMetadata,
  TargetsMetadata,
} from '../../core/tuf/metadata.ts';
import { trustIn } from '../../core/tuf/repository-metadata.ts';
import type { RepositoryMetadata } from '../../core/tuf/repository-metadata.ts';
import {
  contentOf,
  rootTrust,
  verifyContent,
  verifyNextRoot,
  verifySignatures,
  verifyVersion,
} from '../../core/tuf/verify.ts';
import type { ETag, Storage } from '../storage/storage.ts';
import { RepositoryError } from './errors.ts';
import { findObject, metadataObject, TIMESTAMP_OBJECT } from './objects.ts';

/** What is published now, verified as a TUF client does, except for expiry: what expired must be renewable. */
export type RepositoryState = RepositoryMetadata & {
  /** What a commit on top of this state replaces. */
  readonly timestampEtag: ETag;
  readonly rootFile: ReadMetadata<RootMetadata>;
  /** By targets role (`targets` and the delegated ones): its present version with its signatures. */
  readonly files: ReadonlyMap<string, ReadMetadata<TargetsMetadata>>;
};

/** Versioned metadata by object name. It never changes, so it need not be fetched again; it is verified again. */
export type MetadataCache = ReadonlyMap<string, Uint8Array>;

export type Loaded = { readonly state: RepositoryState; readonly cache: MetadataCache };

export type LoadOptions = {
  readonly storage: Storage;
  readonly cache: MetadataCache;
  /** Bytes of a root that is trusted from elsewhere; null trusts the storage's own first root. */
  readonly trustedRoot: Uint8Array | null;
  /** Roots above this version are not looked at: what is published is judged as it was under that root. */
  readonly lastRoot?: number | undefined;
};

/** tuf-js follows no longer chain. */
const MAX_ROOT_ROTATIONS = 256;

/** Throws RepositoryError, TufError or StorageError; the former two mean that hosts cannot read it either. */
export async function loadState(options: LoadOptions): Promise<Loaded> {
  const files = new VersionedFiles(options.storage, options.cache);
  const { root, before } = await loadRoots(files, options);
  try {
    return { state: await loadUnder(root, files, options.storage), cache: files.used };
  } catch (error) {
    if (before === null || !(await isHalfApplied(error, before, files, options.storage))) {
      throw error;
    }
    throw new RepositoryError(
      'repository/half-applied',
      `root ${root.signed.version} is published, but what its keys must sign is still that of root ${before.signed.version}`,
      { cause: error, hints: ['whoever applies the change of the root must run the same again'] },
    );
  }
}

/** Between the put of a new root and that of its timestamp, all that is published still holds under the root before. */
async function isHalfApplied(
  error: unknown,
  before: ReadMetadata<RootMetadata>,
  files: VersionedFiles,
  storage: Storage,
): Promise<boolean> {
  if (!(error instanceof TufError) || error.code !== 'tuf/threshold') return false;
  try {
    await loadUnder(before, files, storage);
    return true;
  } catch (second) {
    if (second instanceof TufError || second instanceof RepositoryError) return false;
    throw second;
  }
}

async function loadUnder(
  rootFile: ReadMetadata<RootMetadata>,
  files: VersionedFiles,
  storage: Storage,
): Promise<RepositoryState> {
  const root = rootFile.signed;
  const found = await findObject(storage, TIMESTAMP_OBJECT, MAX_LENGTHS.timestamp);
  if (found === null) {
    throw new RepositoryError(
      'repository/not-there',
      `${storage.url} holds no repository: ${TIMESTAMP_OBJECT} is missing`,
    );
  }
  const timestamp = parseTimestamp(found.bytes, TIMESTAMP_OBJECT);
  verifySignatures(TIMESTAMP_OBJECT, timestamp, rootTrust(root, 'timestamp'));
  const snapshot = await loadSnapshot(files, root, timestamp.signed.meta['snapshot.json']);
  const targets = await loadTargets(files, { root, targets: null, snapshot }, 'targets');
  const names = targets.signed.delegations?.roles.map(({ name }) => name) ?? [];
  const parents = { root, targets: targets.signed, snapshot };
  const delegated = await Promise.all(
    names.map(async (name) => [name, await loadTargets(files, parents, name)] as const),
  );
  return {
    root,
    rootFile,
    targets: targets.signed,
    delegated: new Map(delegated.map(([name, role]) => [name, role.signed])),
    snapshot,
    timestamp: timestamp.signed,
    timestampEtag: found.etag,
    files: new Map([['targets', targets] as const, ...delegated]),
  };
}

class VersionedFiles {
  readonly #storage: Storage;
  readonly #cache: MetadataCache;
  readonly used = new Map<string, Uint8Array>();

  constructor(storage: Storage, cache: MetadataCache) {
    this.#storage = storage;
    this.#cache = cache;
  }

  async find(
    name: string,
    limit: number,
    from: 'cache' | 'storage' = 'cache',
  ): Promise<Uint8Array | null> {
    const kept = from === 'cache' ? this.#cache.get(name) : undefined;
    const bytes = kept ?? (await findObject(this.#storage, name, limit))?.bytes ?? null;
    if (bytes !== null) this.used.set(name, bytes);
    return bytes;
  }

  /** The file that parent metadata names, with exactly the bytes that it demands. */
  async fetch(name: string, meta: MetaFile, limit: number): Promise<Uint8Array> {
    if (meta.length > limit) {
      throw new RepositoryError(
        'repository/too-large',
        `${name} may have ${limit} bytes, got ${meta.length}`,
      );
    }
    // tuftool writes a role anew under its old version: a kept file that does not fit is no proof of damage.
    const kept = this.#cache.get(name);
    const isOutdated = kept !== undefined && contentOf(kept).hashes.sha256 !== meta.hashes.sha256;
    const bytes = await this.find(name, limit, isOutdated ? 'storage' : 'cache');
    if (bytes === null) {
      throw new RepositoryError('repository/damaged', `${name} is published, but not there`);
    }
    verifyContent(name, meta, bytes);
    return bytes;
  }
}

/** The newest root of the chain, and the one before it if the chain is longer than one. */
async function loadRoots(
  files: VersionedFiles,
  { trustedRoot, lastRoot = Number.MAX_SAFE_INTEGER }: LoadOptions,
): Promise<{
  readonly root: ReadMetadata<RootMetadata>;
  readonly before: ReadMetadata<RootMetadata> | null;
}> {
  const first = await firstRoot(files, trustedRoot);
  verifySignatures('the first root', first, rootTrust(first.signed, 'root'));
  let root = first;
  let before = null;
  for (let count = 0; count < MAX_ROOT_ROTATIONS; count += 1) {
    const version = root.signed.version + 1;
    const name = metadataObject('root', version);
    const bytes = version > lastRoot ? null : await files.find(name, MAX_LENGTHS.root);
    if (bytes === null) return { root, before };
    const next = parseRoot(bytes, name);
    verifyNextRoot(name, root.signed, next);
    before = root;
    root = next;
  }
  throw new TufError('tuf/version', `more than ${MAX_ROOT_ROTATIONS} roots in a row`);
}

async function firstRoot(
  files: VersionedFiles,
  trustedRoot: Uint8Array | null,
): Promise<ReadMetadata<RootMetadata>> {
  if (trustedRoot !== null) return parseRoot(trustedRoot, 'the trusted root');
  const name = metadataObject('root', 1);
  const bytes = await files.find(name, MAX_LENGTHS.root);
  if (bytes === null) {
    throw new RepositoryError('repository/not-there', `there is no repository: ${name} is missing`);
  }
  const root = parseRoot(bytes, name);
  verifyVersion(name, 1, root.signed.version);
  return root;
}

async function loadSnapshot(
  files: VersionedFiles,
  root: RootMetadata,
  meta: MetaFile,
): Promise<SnapshotMetadata> {
  const name = metadataObject('snapshot', meta.version);
  const bytes = await files.fetch(name, meta, MAX_LENGTHS.snapshot);
  const snapshot = parseSnapshot(bytes, name);
  verifySignatures(name, snapshot, rootTrust(root, 'snapshot'));
  verifyVersion(name, meta.version, snapshot.signed.version);
  return snapshot.signed;
}

async function loadTargets(
  files: VersionedFiles,
  parents: {
    readonly root: RootMetadata;
    readonly targets: TargetsMetadata | null;
    readonly snapshot: SnapshotMetadata;
  },
  role: string,
): Promise<ReadMetadata<TargetsMetadata>> {
  const { root, targets, snapshot } = parents;
  const file = `${role}.json`;
  const meta = Object.hasOwn(snapshot.meta, file) ? snapshot.meta[file] : undefined;
  const trust = targets === null ? rootTrust(root, 'targets') : trustIn({ root, targets }, role);
  if (meta === undefined || trust === null) {
    throw new RepositoryError(
      'repository/damaged',
      `role ${role} is delegated, but the snapshot does not name it`,
    );
  }
  const name = metadataObject(role, meta.version);
  const metadata = parseTargets(await files.fetch(name, meta, MAX_LENGTHS.targets), name);
  verifySignatures(name, metadata, trust);
  verifyVersion(name, meta.version, metadata.signed.version);
  return metadata;
}
