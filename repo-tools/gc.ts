import {
  findObject,
  targetObject,
  TIMESTAMP_OBJECT,
  versionedMetadata,
} from '../adapters/repository/objects.ts';
import { publishedReleases } from '../adapters/repository/repository.ts';
import type { Repository, RepositoryState } from '../adapters/repository/repository.ts';
import type { ListedObject } from '../adapters/storage/storage.ts';
import { ExpectedError } from '../core/errors.ts';
import { MAX_LENGTHS, parseSnapshot, parseTargets } from '../core/tuf/metadata.ts';
import type { ReadMetadata, SnapshotMetadata } from '../core/tuf/metadata.ts';
import { releaseDocumentTarget } from '../core/tuf/names.ts';
import { isRecent, isRoleWanted, wantedSnapshots } from '../core/tuf/reachable.ts';
import type { Retention, StoredMetadata } from '../core/tuf/reachable.ts';
import { findTarget } from '../core/tuf/repository-metadata.ts';
import { verifyFresh } from '../core/tuf/verify.ts';
import { readRelease } from '../adapters/repository/releases.ts';
import type { ReleaseName } from '../adapters/repository/releases.ts';

export type GcErrorCode =
  /** A file that has to be read to know what it names cannot be read. */
  | 'gc/unreadable'
  /** The layout without hashes in the names has one object for old and new targets. */
  | 'gc/layout'
  /** Publishers committed again and again before anything could be removed. */
  | 'gc/contended'
  /** A publisher used a file again at the very moment when it was removed. */
  | 'gc/lost';

export class GcError extends ExpectedError<GcErrorCode> {}

export type GcReport = {
  /** What was removed, or would be; in this order. */
  readonly removed: readonly { readonly name: string; readonly size: number }[];
  readonly kept: number;
};

type Survey = {
  readonly state: RepositoryState;
  readonly metadataNames: ReadonlySet<string>;
  readonly garbage: readonly ListedObject[];
  readonly kept: number;
};

/** So many deletions at most rest on one look at what publishers do. */
const BATCH = 50;
const MAX_SURVEYS_IN_A_ROW = 20;

const TARGET = /^targets\/[0-9a-f]{64}\.[A-Za-z0-9][A-Za-z0-9._-]*$/;

/**
 * Removes what nobody can ask for any more, by the rules of core/tuf/reachable.ts. Snapshots go first, then roles, then
 * targets, so that whatever remains finds all that it names, wherever the work ends; run it again to finish it. Before
 * each batch it looks whether a publisher was at work, and then begins anew.
 */
export async function collectGarbage(
  repository: Repository,
  retention: Retention,
  isDryRun: boolean,
): Promise<GcReport> {
  const { storage } = repository;
  const known = new Known(repository, retention);
  let survey = await known.survey();
  if (isDryRun) return { removed: survey.garbage, kept: survey.kept };
  const removed: ListedObject[] = [];
  let surveys = 1;
  for (let at = 0; at < survey.garbage.length;) {
    if (await hasMoved(repository, survey)) {
      surveys += 1;
      if (surveys > MAX_SURVEYS_IN_A_ROW) {
        throw new GcError('gc/contended', `others published ${surveys} times in a row`, {
          hints: ['run it again when fewer publishers are at work'],
        });
      }
      survey = await known.survey();
      at = 0;
      continue;
    }
    surveys = 0;
    for (const object of survey.garbage.slice(at, at + BATCH)) {
      await storage.delete(object.name);
      removed.push(object);
    }
    at += BATCH;
  }
  if (removed.length > 0) await requireWhole(repository);
  return { removed, kept: survey.kept };
}

/** What was read already: versioned files never change, and what was wanted once in a run stays wanted. */
class Known {
  readonly #repository: Repository;
  readonly #retention: Retention;
  readonly #snapshots = new Map<number, SnapshotMetadata>();
  readonly #roles = new Set<string>();
  readonly #targets = new Set<string>();
  readonly #documents = new Set<string>();

  constructor(repository: Repository, retention: Retention) {
    this.#repository = repository;
    this.#retention = retention;
  }

  async survey(): Promise<Survey> {
    const { storage } = this.#repository;
    const state = await this.#repository.load();
    // Either hosts can follow nothing now, or our clock is ahead and everything only seems to be old.
    verifyFresh(TIMESTAMP_OBJECT, state.timestamp, this.#retention.now);
    if (!state.root.consistent_snapshot) {
      throw new GcError('gc/layout', 'the repository has no consistent snapshots');
    }
    const metadata = await Array.fromAsync(storage.list('metadata/'));
    const files = metadata.flatMap((object) => {
      const versioned = versionedMetadata(object.name);
      return versioned === null ? [] : [{ ...object, ...versioned }];
    });
    const snapshots = await this.#wantedSnapshots(files, state.snapshot.version);
    const isWanted = (file: StoredMetadata) =>
      file.role === 'snapshot'
        ? snapshots.has(file.version)
        : file.role === 'timestamp' || isRoleWanted(file, [...snapshots.values()], this.#retention);
    for (const file of files) {
      if (isWanted(file) && isTargetsRole(file.role)) await this.#readRole(file.name);
    }
    for (const release of publishedReleases(state)) await this.#readDocument(state, release);
    const targets = await Array.fromAsync(storage.list('targets/'));
    const unwanted = files.filter((file) => !isWanted(file));
    const garbage = [
      ...unwanted.filter(({ role }) => role === 'snapshot'),
      ...unwanted.filter(({ role }) => role !== 'snapshot'),
      ...targets.filter(
        ({ name, modifiedAt }) =>
          TARGET.test(name) && !this.#targets.has(name) && !isRecent(modifiedAt, this.#retention),
      ),
    ];
    return {
      state,
      metadataNames: new Set(metadata.map(({ name }) => name)),
      garbage: garbage.map(({ name, size, modifiedAt }) => ({ name, size, modifiedAt })),
      kept: metadata.length + targets.length - garbage.length,
    };
  }

  async #wantedSnapshots(
    files: readonly (StoredMetadata & { readonly name: string })[],
    published: number,
  ): Promise<ReadonlyMap<number, SnapshotMetadata>> {
    const stored = new Map<number, { signed: SnapshotMetadata; modifiedAt: Date }>();
    for (const { role, version, name, modifiedAt } of files) {
      if (role !== 'snapshot') continue;
      const signed =
        this.#snapshots.get(version) ?? (await this.#read(name, 'snapshot', parseSnapshot));
      if (signed === null) continue;
      this.#snapshots.set(version, signed);
      stored.set(version, { signed, modifiedAt });
    }
    const wanted = wantedSnapshots(stored, published, this.#retention);
    return new Map(
      [...stored].flatMap(([version, { signed }]) =>
        wanted.has(version) ? [[version, signed] as const] : [],
      ),
    );
  }

  async #readRole(name: string): Promise<void> {
    if (this.#roles.has(name)) return;
    const signed = await this.#read(name, 'targets', parseTargets);
    for (const [target, { hashes }] of Object.entries(signed?.targets ?? {})) {
      this.#targets.add(targetObject(target, hashes.sha256));
    }
    this.#roles.add(name);
  }

  /** Whoever audits a release finds the documents that its amendments and its withdrawal replaced. */
  async #readDocument(state: RepositoryState, release: ReleaseName): Promise<void> {
    const name = releaseDocumentTarget(release);
    const sha256 = findTarget(state, name)?.hashes.sha256;
    if (sha256 === undefined || this.#documents.has(sha256)) return;
    const { amended = [], withdrawn } = await readRelease(this.#repository, state, release);
    for (const { before } of withdrawn === undefined ? amended : [...amended, withdrawn]) {
      this.#targets.add(targetObject(name, before));
    }
    this.#documents.add(sha256);
  }

  /** Null if it went away meanwhile. */
  async #read<S>(
    name: string,
    kind: 'snapshot' | 'targets',
    parse: (bytes: Uint8Array, file: string) => ReadMetadata<S>,
  ): Promise<S | null> {
    try {
      const found = await findObject(this.#repository.storage, name, MAX_LENGTHS[kind]);
      return found === null ? null : parse(found.bytes, name).signed;
    } catch (cause) {
      if (!(cause instanceof ExpectedError) || cause.code.startsWith('storage/')) throw cause;
      throw new GcError('gc/unreadable', `${name} cannot be read, so nothing is removed`, {
        cause,
        hints: [`${cause.message}: remove it by hand if no host was ever sent to it`],
      });
    }
  }
}

function isTargetsRole(role: string): boolean {
  return role !== 'root' && role !== 'snapshot' && role !== 'timestamp';
}

/** Whether another timestamp, or metadata that may become a part of the next one, has come since. */
async function hasMoved({ storage }: Repository, { state, metadataNames }: Survey) {
  if ((await storage.stat(TIMESTAMP_OBJECT)).etag !== state.timestampEtag) return true;
  for await (const { name } of storage.list('metadata/')) {
    if (!metadataNames.has(name)) return true;
  }
  return false;
}

/** Who publishes what nobody lists any more finds it uploaded, and may commit just when it is removed: tell it at once. */
async function requireWhole(repository: Repository): Promise<void> {
  const state = await repository.load();
  const there = new Set<string>();
  for await (const { name } of repository.storage.list('targets/')) there.add(name);
  for (const { targets } of [state.targets, ...state.delegated.values()]) {
    for (const [name, { hashes }] of Object.entries(targets)) {
      if (there.has(targetObject(name, hashes.sha256))) continue;
      throw new GcError('gc/lost', `target ${name} is published, but not there`, {
        hints: ['publish the same release again: it uploads what is missing'],
      });
    }
  }
}
