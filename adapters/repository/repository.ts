import { nextEdition, nextSnapshot, nextTimestamp } from '../../core/tuf/edit.ts';
import { assertProfile } from '../../core/tuf/lint.ts';
import type { TargetsMetadata } from '../../core/tuf/metadata.ts';
import { trustIn } from '../../core/tuf/repository-metadata.ts';
import { rootTrust, verifyNotOlder } from '../../core/tuf/verify.ts';
import type { Signer } from '../signing/signer.ts';
import type { Storage } from '../storage/storage.ts';
import { applyEdit, storeTargets } from './edits.ts';
import type { RoleEdits } from './edits.ts';
import { RepositoryError } from './errors.ts';
import { loadState } from './load.ts';
import type { MetadataCache, RepositoryState } from './load.ts';
import { TIMESTAMP_OBJECT } from './objects.ts';
import { pause } from './patience.ts';
import type { Patience } from './patience.ts';
import { requireAllSigners, writeRevision } from './revision.ts';
import type { Draft, Revision, Written } from './revision.ts';
import { openTarget, readTarget, uploadTarget } from './targets.ts';
import type { TargetSource } from './targets.ts';

export type { RepositoryState } from './load.ts';
export type { RoleEdit, RoleEdits } from './edits.ts';
export { publishedReleases } from '../../core/tuf/repository-metadata.ts';

export type RepositoryOptions = Patience & {
  readonly storage: Storage;
  readonly now: () => Date;
  /**
   * Bytes of a root known from elsewhere. Without it the storage's first root is believed, and a role is only signed on
   * top of a version that one of the same keys signed before.
   */
  readonly trustedRoot?: Uint8Array | undefined;
};

export type CommitOptions = {
  /** Keys for every role that changes, and for snapshot and timestamp. */
  readonly signers: readonly Signer[];
  /**
   * Asked again whenever somebody else committed first, possibly on top of its own result when an answer got lost, so
   * applying it twice must equal applying it once. What it throws ends the commit.
   */
  readonly edit: (state: RepositoryState) => RoleEdits | Promise<RoleEdits>;
};

const MAX_TRIES = 40;

/** A repository that is there, or will be; nothing is read before `load` or `commit`. */
export function openRepository(options: RepositoryOptions): Repository {
  return new Repository(options);
}

/** A TUF repository in a storage, as publishers and the server work on it. Does not own the storage. */
export class Repository {
  readonly storage: Storage;
  readonly #options: RepositoryOptions;
  #cache: MetadataCache = new Map();
  #seenTimestamp = 0;
  /** See RevisionContext.taken. */
  readonly #taken = new Map<string, number>();

  constructor(options: RepositoryOptions) {
    this.storage = options.storage;
    this.#options = options;
  }

  /**
   * What is published now, with signatures, thresholds, versions, lengths and hashes of all metadata verified; expiry is
   * not (`roleExpiries` tells). Costs two reads when nothing changed since the last load.
   */
  async load(): Promise<RepositoryState> {
    // Before the first read: a commit that runs beside this one may raise it meanwhile.
    const seen = this.#seenTimestamp;
    const { state, cache } = await loadState({
      storage: this.storage,
      cache: this.#cache,
      trustedRoot: this.#options.trustedRoot ?? null,
    });
    verifyNotOlder(TIMESTAMP_OBJECT, seen, state.timestamp.version);
    this.#see(state);
    this.#cache = cache;
    return state;
  }

  /** A small published target, whole and verified. */
  async readTarget(state: RepositoryState, name: string): Promise<Uint8Array> {
    return readTarget(this.storage, state, name);
  }

  /** A published target of any size; it counts only when the stream has ended without an error. */
  async openTarget(
    state: RepositoryState,
    name: string,
  ): Promise<{ readonly size: number; readonly body: AsyncIterable<Uint8Array> }> {
    return openTarget(this.storage, state, name);
  }

  /** Brings a large target into the storage, before a commit lists it. */
  async uploadTarget(source: TargetSource): Promise<'uploaded' | 'already-there'> {
    return uploadTarget(this.storage, source);
  }

  /**
   * Loads, edits, signs and publishes; begins again when somebody else was faster. Returns the state that holds the edit.
   * Whatever it throws, hosts see the old repository, except for `repository/unknown-outcome`.
   */
  async commit({ signers, edit }: CommitOptions): Promise<RepositoryState> {
    let lost: Written | null = null;
    for (let attempt = 0; attempt < MAX_TRIES; attempt += 1) {
      if (attempt > 0) await pause(attempt, this.#options);
      const state = await this.load();
      if (lost !== null && holds(state, lost)) return state;
      const { roles } = await edit(state);
      if (roles.size === 0) return state;
      const outcome = await this.#try(state, { roles }, signers);
      if (outcome.kind === 'committed') {
        this.#see(outcome);
        return stateAfter(state, outcome);
      }
      lost = outcome;
    }
    throw new RepositoryError(
      'repository/contended',
      `others committed first ${MAX_TRIES} times in a row`,
      { hints: ['try again when fewer publishers are at work'] },
    );
  }

  #see({ timestamp }: Pick<RepositoryState, 'timestamp'>): void {
    this.#seenTimestamp = Math.max(this.#seenTimestamp, timestamp.version);
  }

  async #try(state: RepositoryState, edits: RoleEdits, signers: readonly Signer[]) {
    const edited = new Map(
      [...edits.roles].map(([role, edit]) => [role, applyEdit(roleIn(state, role), edit)]),
    );
    const revision = revisionOf(state, edited);
    requireAllSigners(revision, signers);
    if (this.#options.trustedRoot === undefined) requireOwnHistory(state, edited, signers);
    assertProfile(withRoles(state, edited));
    for (const edit of edits.roles.values()) await storeTargets(this.storage, edit);
    return writeRevision(revision, {
      storage: this.storage,
      signers,
      now: this.#options.now(),
      taken: this.#taken,
      patience: this.#options,
    });
  }
}

function revisionOf(
  state: RepositoryState,
  edited: ReadonlyMap<string, TargetsMetadata>,
): Revision {
  const draft = (role: string, metadata: TargetsMetadata): Draft<TargetsMetadata> => ({
    trust: trustIn(state, role) ?? rootTrust(state.root, 'targets'),
    after: metadata.version,
    make: (edition) => nextEdition(metadata, edition),
  });
  return {
    roles: new Map([...edited].map(([role, metadata]) => [role, draft(role, metadata)])),
    snapshot: (changed) => ({
      trust: rootTrust(state.root, 'snapshot'),
      after: state.snapshot.version,
      make: (edition) => nextSnapshot(state.snapshot, changed, edition),
    }),
    timestamp: (snapshot) => ({
      trust: rootTrust(state.root, 'timestamp'),
      after: state.timestamp.version,
      make: (edition) => nextTimestamp(state.timestamp, snapshot, edition),
    }),
    condition: { kind: 'replace-if-unchanged', etag: state.timestampEtag },
  };
}

function roleIn(state: RepositoryState, role: string): TargetsMetadata {
  const metadata = role === 'targets' ? state.targets : state.delegated.get(role);
  if (metadata === undefined) {
    throw new RepositoryError('repository/role', `no role ${role} is delegated`, {
      hints: [`delegated: ${[...state.delegated.keys()].join(', ')}`],
    });
  }
  return metadata;
}

/**
 * Whoever holds the bucket can put another repository in it, whose root gives the attacker the role beside our key, with
 * the attacker's files listed. Adding to that would sign them with our key. So a key signs on top of its own work only.
 */
function requireOwnHistory(
  state: RepositoryState,
  edited: ReadonlyMap<string, TargetsMetadata>,
  signers: readonly Signer[],
): void {
  for (const role of edited.keys()) {
    const before = roleIn(state, role);
    const isEmpty = Object.keys(before.targets).length === 0 && before.delegations === undefined;
    const signedBy = state.signedBy.get(role) ?? [];
    if (!isEmpty && !signers.some(({ keyId }) => signedBy.includes(keyId))) {
      throw new RepositoryError(
        'repository/untrusted',
        `role ${role}: none of the given keys signed its version ${before.version}, so they will not vouch for what it lists`,
        { hints: ['sign with a key that signed it before, or name a root file that you trust'] },
      );
    }
  }
}

/** Whether our files are published after all: our timestamp had won, and others have built on it since. */
function holds({ snapshot }: RepositoryState, { roles }: Written): boolean {
  return [...roles].every(([role, { meta }]) => {
    const published = snapshot.meta[`${role}.json`];
    return published?.version === meta.version && published.hashes.sha256 === meta.hashes.sha256;
  });
}

function withRoles<S extends Pick<RepositoryState, 'targets' | 'delegated'>>(
  state: S,
  roles: ReadonlyMap<string, TargetsMetadata>,
): S {
  const delegated = [...state.delegated].map(
    ([role, metadata]) => [role, roles.get(role) ?? metadata] as const,
  );
  return {
    ...state,
    targets: roles.get('targets') ?? state.targets,
    delegated: new Map(delegated),
  };
}

function stateAfter(
  state: RepositoryState,
  written: Written & { readonly timestampEtag: string },
): RepositoryState {
  const { roles, snapshot, timestamp, timestampEtag } = written;
  const signed = new Map([...roles].map(([role, file]) => [role, file.signed]));
  const signers = [...roles].map(([role, { signedBy }]) => [role, signedBy] as const);
  return {
    ...withRoles(state, signed),
    snapshot,
    timestamp,
    timestampEtag,
    signedBy: new Map([...state.signedBy, ...signers]),
  };
}
