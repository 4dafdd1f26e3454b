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
  rootTrust,
  signersOf,
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
  /** By targets role (`targets` and the delegated ones): the ids of the keys that signed its present version. */
  readonly signedBy: ReadonlyMap<string, readonly string[]>;
};

/** Versioned metadata by object name. It never changes, so it need not be fetched again; it is verified again. */
export type MetadataCache = ReadonlyMap<string, Uint8Array>;

export type Loaded = { readonly state: RepositoryState; readonly cache: MetadataCache };

export type LoadOptions = {
  readonly storage: Storage;
  readonly cache: MetadataCache;
  /** Bytes of a root that is trusted from elsewhere; null trusts the storage's own first root. */
  readonly trustedRoot: Uint8Array | null;
};

/** tuf-js follows no longer chain. */
const MAX_ROOT_ROTATIONS = 256;

/** Throws RepositoryError, TufError or StorageError; the former two mean that hosts cannot read it either. */
export async function loadState({ storage, cache, trustedRoot }: LoadOptions): Promise<Loaded> {
  const files = new VersionedFiles(storage, cache);
  const root = await loadRoot(files, trustedRoot);
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
  const state = {
    root,
    targets: targets.signed,
    delegated: new Map(delegated.map(([name, role]) => [name, role.signed])),
    snapshot,
    timestamp: timestamp.signed,
    timestampEtag: found.etag,
    signedBy: new Map(
      [['targets', targets] as const, ...delegated].map(([name, role]) => [name, role.signers]),
    ),
  };
  return { state, cache: files.used };
}

class VersionedFiles {
  readonly #storage: Storage;
  readonly #cache: MetadataCache;
  readonly used = new Map<string, Uint8Array>();

  constructor(storage: Storage, cache: MetadataCache) {
    this.#storage = storage;
    this.#cache = cache;
  }

  async find(name: string, limit: number): Promise<Uint8Array | null> {
    const bytes =
      this.#cache.get(name) ?? (await findObject(this.#storage, name, limit))?.bytes ?? null;
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
    const bytes = await this.find(name, limit);
    if (bytes === null) {
      throw new RepositoryError('repository/damaged', `${name} is published, but not there`);
    }
    verifyContent(name, meta, bytes);
    return bytes;
  }
}

async function loadRoot(
  files: VersionedFiles,
  trustedRoot: Uint8Array | null,
): Promise<RootMetadata> {
  const first = await firstRoot(files, trustedRoot);
  verifySignatures('the first root', first, rootTrust(first.signed, 'root'));
  let root = first.signed;
  for (let count = 0; count < MAX_ROOT_ROTATIONS; count += 1) {
    const name = metadataObject('root', root.version + 1);
    const bytes = await files.find(name, MAX_LENGTHS.root);
    if (bytes === null) return root;
    const next = parseRoot(bytes, name);
    verifyNextRoot(name, root, next);
    root = next.signed;
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
): Promise<{ readonly signed: TargetsMetadata; readonly signers: readonly string[] }> {
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
  return { signed: metadata.signed, signers: signersOf(metadata, trust) };
}
