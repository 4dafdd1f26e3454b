import { metaFile } from '../../core/tuf/edit.ts';
import type { Edition } from '../../core/tuf/edit.ts';
import { expiresOf } from '../../core/tuf/lifetimes.ts';
import { MAX_LENGTHS } from '../../core/tuf/metadata.ts';
import type {
  Metadata,
  MetaFile,
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
  /** The published version that the new one follows; 0 if there is none. */
  readonly after: number;
  readonly make: (edition: Edition) => S;
};

/** The next state of a repository: which metadata changes, and what the new timestamp replaces. */
export type Revision = {
  /** The targets roles that change. */
  readonly roles: ReadonlyMap<string, Draft<TargetsMetadata>>;
  readonly snapshot: (changed: ReadonlyMap<string, MetaFile>) => Draft<SnapshotMetadata>;
  readonly timestamp: (snapshot: MetaFile) => Draft<TimestampMetadata>;
  readonly condition: PutCondition;
};

export type WrittenRole<S = TargetsMetadata> = {
  readonly signed: S;
  readonly signedBy: readonly string[];
  readonly meta: MetaFile;
};

export type Written = {
  readonly roles: ReadonlyMap<string, WrittenRole>;
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
  /** Highest version by role that is known to be in the storage, published or not; brought up to date here. */
  readonly taken: Map<string, number>;
  readonly patience: Patience;
};

/** Each time another publisher that is at work right now was faster. */
const MAX_RACES = 100;
const MAX_TIMESTAMP_TRIES = 6;

/**
 * Writes role files, then the snapshot, then the timestamp, which is the one commit point: until it is replaced, hosts
 * see nothing of all this, whatever goes wrong.
 */
export async function writeRevision(
  revision: Revision,
  context: RevisionContext,
): Promise<Outcome> {
  const roles = new Map<string, WrittenRole>();
  for (const [role, draft] of revision.roles) {
    roles.set(role, await writeVersion(role, draft, context));
  }
  const changed = new Map([...roles].map(([role, { meta }]) => [role, meta]));
  const snapshot = await writeVersion('snapshot', revision.snapshot(changed), context);
  const draft = revision.timestamp(snapshot.meta);
  const edition = {
    version: draft.after + 1,
    expires: expiresOf('timestamp', context.now),
  };
  const timestamp = draft.make(edition);
  const { bytes } = await signMetadata('timestamp', timestamp, { ...context, trust: draft.trust });
  const timestampEtag = await replaceTimestamp(bytes, revision.condition, context);
  const written = { roles, snapshot: snapshot.signed, timestamp };
  return timestampEtag === null
    ? { ...written, kind: 'lost' }
    : { ...written, kind: 'committed', timestampEtag };
}

/** Throws `repository/signers` before anything is written. */
export function requireAllSigners(revision: Revision, signers: readonly Signer[]): void {
  const nothing = { version: 1, length: 0, hashes: { sha256: '' } };
  for (const [role, { trust }] of revision.roles) requireSigners(role, trust, signers);
  requireSigners('snapshot', revision.snapshot(new Map()).trust, signers);
  requireSigners('timestamp', revision.timestamp(nothing).trust, signers);
}

/**
 * Writes a versioned file under the next free number. A number that a crashed or a running publisher has taken is
 * skipped, never used again: its bytes may yet be published, or lie in caches.
 */
async function writeVersion<S extends Metadata>(
  role: string,
  { trust, after, make }: Draft<S>,
  { storage, signers, now, taken }: RevisionContext,
): Promise<WrittenRole<S>> {
  let version = Math.max(after, taken.get(role) ?? 0) + 1;
  for (let tries = 0; tries < MAX_RACES; tries += 1) {
    const signed = make({ version, expires: expiresOf(role, now) });
    const { bytes, signedBy } = await signMetadata(role, signed, { trust, signers });
    const isOurs = await createObject(storage, metadataObject(role, version), bytes);
    taken.set(role, version);
    if (isOurs) return { signed, signedBy, meta: metaFile(version, contentOf(bytes)) };
    version = Math.max(version, await highestVersion(storage, role)) + 1;
  }
  throw new RepositoryError(
    'repository/contended',
    `role ${role}: others took the next free version ${MAX_RACES} times in a row`,
  );
}

/** However many crashed publishers left their files, one look at the names finds the end of them. */
async function highestVersion(storage: Storage, role: string): Promise<number> {
  let highest = 0;
  for await (const { name } of storage.list('metadata/')) {
    const [, version, of] = /^metadata\/(\d+)\.(.+)\.json$/.exec(name) ?? [];
    if (of === role) highest = Math.max(highest, Number(version));
  }
  return highest;
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
