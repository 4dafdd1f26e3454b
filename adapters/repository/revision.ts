import { metaFile } from '../../core/tuf/edit.ts';
import type { Edition } from '../../core/tuf/edit.ts';
import { expiresOf } from '../../core/tuf/lifetimes.ts';
import type { ExpiryPolicy } from '../../core/tuf/lifetimes.ts';
import { MAX_LENGTHS } from '../../core/tuf/metadata.ts';
import type {
  Metadata,
  MetaFile,
  RootMetadata,
  SignedMetadata,
  SnapshotMetadata,
  TargetsMetadata,
  TimestampMetadata,
} from '../../core/tuf/metadata.ts';
import { contentOf } from '../../core/tuf/verify.ts';
import type { RoleTrust } from '../../core/tuf/verify.ts';
import type { Signer } from '../signing/signer.ts';
import type { ETag, PutCondition, Storage } from '../storage/storage.ts';
import { RepositoryError } from './errors.ts';
import {
  createObject,
  findObject,
  isStorageError,
  metadataObject,
  TIMESTAMP_OBJECT,
} from './objects.ts';
import { pause } from './patience.ts';
import type { Patience } from './patience.ts';
import { requireSigners, signMetadata } from './sign.ts';

export type Draft<S> = {
  readonly trust: RoleTrust;
  /** The published version that the new one follows; 0 if there is none. `restart` takes the lowest number that is safe. */
  readonly after: number | 'restart';
  readonly make: (edition: Edition) => S;
};

/** The next state of a repository: which metadata changes, and what the new timestamp replaces. */
export type Revision = {
  /** The targets roles that are signed now. */
  readonly roles: ReadonlyMap<string, Draft<TargetsMetadata>>;
  /** Targets roles that were signed elsewhere. */
  readonly adopted: ReadonlyMap<string, SignedMetadata<TargetsMetadata>>;
  /** Null keeps the published one. */
  readonly root: SignedMetadata<RootMetadata> | null;
  /** Null keeps the published one. */
  readonly snapshot:
    ((changed: ReadonlyMap<string, MetaFile>) => Draft<SnapshotMetadata>) | SnapshotMetadata;
  readonly timestamp: (snapshot: MetaFile | null) => Draft<TimestampMetadata>;
  readonly condition: PutCondition;
};

export type WrittenFile<S> = SignedMetadata<S> & { readonly meta: MetaFile };

export type Written = {
  readonly roles: ReadonlyMap<string, WrittenFile<TargetsMetadata>>;
  readonly snapshot: SnapshotMetadata;
  readonly timestamp: TimestampMetadata;
};

/** `lost`: somebody else's timestamp came first, so hosts see nothing of what was written. */
export type Outcome =
  | (Written & { readonly kind: 'committed'; readonly timestampEtag: ETag })
  | (Written & { readonly kind: 'lost' });

export type RevisionContext = {
  readonly storage: Storage;
  readonly signers: readonly Signer[];
  readonly now: Date;
  readonly expiry: ExpiryPolicy;
  /** Highest version by role that is known to be in the storage, published or not; brought up to date here. */
  readonly taken: Map<string, number>;
  /** Called when somebody else took a number since the last look. */
  readonly onRival: () => void;
  readonly patience: Patience;
};

/** Each time another publisher that is at work right now was faster. */
const MAX_RACES = 20;
/** Numbers that a publisher who lost again jumps over at most; far below FAST_FORWARD_GAP. */
const LONGEST_JUMP = 1024;
const MAX_TIMESTAMP_TRIES = 6;

/** So many free numbers in a row are not what honest publishers left: behind them lies what an attacker skipped to. */
const FAST_FORWARD_GAP = 1_000_000;

/**
 * Writes role files, then the snapshot, then the root, then the timestamp, which is the one commit point: until it is
 * replaced, hosts see nothing of all this, whatever goes wrong. A new root is seen at once, so it comes right before the
 * timestamp: hosts that read in between find a timestamp that the new root does not trust, and try again.
 */
export async function writeRevision(
  revision: Revision,
  context: RevisionContext,
): Promise<Outcome> {
  const roles = new Map<string, WrittenFile<TargetsMetadata>>();
  for (const [role, file] of revision.adopted) {
    roles.set(role, await writeFixed(role, file, context.storage));
  }
  for (const [role, draft] of revision.roles) {
    roles.set(role, await writeVersion(role, draft, context));
  }
  const snapshot = await writeSnapshot(revision, roles, context);
  const draft = revision.timestamp(snapshot.meta);
  const edition = {
    version: draft.after === 'restart' ? 1 : draft.after + 1,
    expires: expiresOf('timestamp', context.now, context.expiry),
  };
  const timestamp = draft.make(edition);
  const { bytes } = await signMetadata('timestamp', timestamp, { ...context, trust: draft.trust });
  if (revision.root !== null) await writeFixed('root', revision.root, context.storage);
  const timestampEtag = await replaceTimestamp(bytes, revision.condition, context);
  const written = { roles, snapshot: snapshot.signed, timestamp };
  return timestampEtag === null
    ? { ...written, kind: 'lost' }
    : { ...written, kind: 'committed', timestampEtag };
}

async function writeSnapshot(
  { snapshot }: Revision,
  roles: ReadonlyMap<string, WrittenFile<TargetsMetadata>>,
  context: RevisionContext,
): Promise<{ readonly signed: SnapshotMetadata; readonly meta: MetaFile | null }> {
  if (typeof snapshot !== 'function') return { signed: snapshot, meta: null };
  const changed = new Map([...roles].map(([role, { meta }]) => [role, meta]));
  return writeVersion('snapshot', snapshot(changed), context);
}

/** Throws `repository/signers` before anything is written. */
export function requireAllSigners(revision: Revision, signers: readonly Signer[]): void {
  for (const [role, { trust }] of revision.roles) requireSigners(role, trust, signers);
  if (typeof revision.snapshot === 'function') {
    requireSigners('snapshot', revision.snapshot(new Map()).trust, signers);
  }
  requireSigners('timestamp', revision.timestamp(null).trust, signers);
}

/**
 * Writes a file that was signed elsewhere under the version that it was signed with; the very same file there already is
 * fine. Throws `repository/moved-on` if others took the number.
 */
export async function writeFixed<S extends Metadata>(
  role: string,
  file: SignedMetadata<S>,
  storage: Storage,
): Promise<WrittenFile<S>> {
  const { version } = file.signed;
  if (!(await createObject(storage, metadataObject(role, version), file.bytes))) {
    throw new RepositoryError(
      'repository/moved-on',
      `${metadataObject(role, version)} is there with other bytes`,
      { hints: ['make the change again on top of what is published'] },
    );
  }
  return { ...file, meta: metaFile(version, contentOf(file.bytes)) };
}

/**
 * Writes a versioned file under the next free number. A number that a crashed or a running publisher has taken is
 * skipped, never used again: its bytes may yet be published, or lie in caches. A large folder takes so long to list that
 * a publisher at work takes the free number meanwhile, every time: who lost twice jumps ahead, at random and ever farther.
 */
export async function writeVersion<S extends Metadata>(
  role: string,
  { trust, after, make }: Draft<S>,
  { storage, signers, now, expiry, taken, onRival, patience }: RevisionContext,
): Promise<WrittenFile<S>> {
  const { random = Math.random } = patience;
  let version =
    after === 'restart'
      ? await lowestSafeVersion(storage, role)
      : Math.max(after, taken.get(role) ?? 0) + 1;
  for (let tries = 0; tries < MAX_RACES; tries += 1) {
    const signed = make({ version, expires: expiresOf(role, now, expiry) });
    const file = await signMetadata(role, signed, { trust, signers });
    const isOurs = await createObject(storage, metadataObject(role, version), file.bytes);
    taken.set(role, version);
    if (isOurs) return { ...file, meta: metaFile(version, contentOf(file.bytes)) };
    onRival();
    const jump = tries === 0 ? 0 : Math.floor(random() * Math.min(LONGEST_JUMP, 2 ** (tries + 1)));
    version = await nextFreeVersion(storage, role, version + jump);
  }
  throw new RepositoryError(
    'repository/contended',
    `role ${role}: others took the next free version ${MAX_RACES} times in a row`,
  );
}

/** The first number of a gap that only a fast-forward attack leaves; honest versions lie below it. */
export async function lowestSafeVersion(storage: Storage, role: string): Promise<number> {
  const versions = await versionsOf(storage, role);
  const index = versions.findIndex(
    (version, at) => (versions[at + 1] ?? Infinity) - version > FAST_FORWARD_GAP,
  );
  const [first = 0] = versions;
  // All of them may be the attacker's: gc removes old honest ones.
  return first > FAST_FORWARD_GAP ? 1 : (versions[index] ?? 0) + 1;
}

/** The first version above `after` that nobody has taken. However many crashed publishers left theirs, one look tells. */
export async function nextFreeVersion(
  storage: Storage,
  role: string,
  after: number,
): Promise<number> {
  const taken = new Set(await versionsOf(storage, role));
  let version = after + 1;
  while (taken.has(version)) version += 1;
  return version;
}

/** Ascending, published or not. */
async function versionsOf(storage: Storage, role: string): Promise<readonly number[]> {
  const versions = [];
  for await (const { name } of storage.list('metadata/')) {
    const [, version, of] = /^metadata\/(\d+)\.(.+)\.json$/.exec(name) ?? [];
    if (of === role) versions.push(Number(version));
  }
  return versions.toSorted((a, b) => a - b);
}

/** The new ETag, or null if somebody else's timestamp is there. An answer that got lost is no answer: look. */
async function replaceTimestamp(
  bytes: Uint8Array,
  condition: PutCondition,
  { storage, patience }: RevisionContext,
): Promise<ETag | null> {
  let cause: unknown;
  for (let attempt = 1; attempt <= MAX_TIMESTAMP_TRIES; attempt += 1) {
    if (attempt > 1) await pause(attempt, patience);
    try {
      return await storage.put(TIMESTAMP_OBJECT, bytes, { condition, cacheControl: 'no-cache' });
    } catch (error) {
      // A store's client that repeats a put by itself may be refused because its own first try has won.
      if (
        !isStorageError(error, 'storage/changed', 'storage/already-there', 'storage/unavailable')
      ) {
        throw error;
      }
      cause = error;
    }
    const seen = await look(storage);
    if (seen === 'unknown') continue;
    if (seen !== null && Buffer.compare(seen.bytes, bytes) === 0) return seen.etag;
    if (!isUnchanged(seen, condition)) return null;
  }
  throw new RepositoryError(
    'repository/unknown-outcome',
    'the storage went away while the new timestamp was put: the commit may or may not have happened',
    { cause, hints: ['run the same command again: what is done already is not done twice'] },
  );
}

type Seen = { readonly bytes: Uint8Array; readonly etag: ETag };

async function look(storage: Storage): Promise<Seen | null | 'unknown'> {
  try {
    return await findObject(storage, TIMESTAMP_OBJECT, MAX_LENGTHS.timestamp);
  } catch (error) {
    if (isStorageError(error, 'storage/unavailable')) return 'unknown';
    throw error;
  }
}

function isUnchanged(seen: Seen | null, condition: PutCondition): boolean {
  return condition.kind === 'create-only' ? seen === null : seen?.etag === condition.etag;
}
