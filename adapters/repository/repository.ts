import { canonicalBytes } from '../../core/tuf/canonical.ts';
import { assertProfileOfChange } from '../../core/tuf/lint.ts';
import { DEFAULT_EXPIRY_POLICY } from '../../core/tuf/lifetimes.ts';
import type { ExpiryPolicy } from '../../core/tuf/lifetimes.ts';
import { verifyFresh, verifyNotOlder } from '../../core/tuf/verify.ts';
import type { Signer } from '../signing/signer.ts';
import type { Storage } from '../storage/storage.ts';
import { storeTargets } from './edits.ts';
import type { RepositoryEdit, RoleEdit } from './edits.ts';
import { RepositoryError } from './errors.ts';
import { loadState } from './load.ts';
import type { MetadataCache, RepositoryState } from './load.ts';
import { TIMESTAMP_OBJECT } from './objects.ts';
import { requireOwnHistory } from './own-history.ts';
import { pause } from './patience.ts';
import type { Patience } from './patience.ts';
import { profileChangeOf, revisionOf, stateAfter } from './plan-revision.ts';
import { isNothing, planEdit } from './plan.ts';
import type { EditPlan } from './plan.ts';
import { requireAllSigners, writeFixed, writeRevision, writeVersion } from './revision.ts';
import type { RevisionContext, Written } from './revision.ts';
import { requireSaneClock } from './sane-clock.ts';
import { requireSigners } from './sign.ts';
import { openTarget, readTarget, requireListed, uploadTarget } from './targets.ts';
import type { TargetSource } from './targets.ts';

export type { RepositoryState } from './load.ts';
export type { RoleEdit, RepositoryEdit } from './edits.ts';
export type { EditPlan } from './plan.ts';
export { publishedReleases } from '../../core/tuf/repository-metadata.ts';

export type RepositoryOptions = Patience & {
  readonly storage: Storage;
  readonly now: () => Date;
  /**
   * Bytes of a root known from elsewhere. Without it the storage's first root is believed, and a role is only signed on
   * top of a version that one of the same keys signed before.
   */
  readonly trustedRoot?: Uint8Array | undefined;
  /** Roots above this version are not looked at: a change of the root that was half applied is finished from below it. */
  readonly lastRoot?: number | undefined;
  /** How long new metadata is valid; the default policy if it is not given. */
  readonly expiry?: ExpiryPolicy | undefined;
  /** Lets a commit replace a timestamp by one that expires long before it, which else is `repository/clock`. */
  readonly allowEarlierExpiry?: boolean | undefined;
};

export type Edit = (state: RepositoryState) => RepositoryEdit | Promise<RepositoryEdit>;

export type CommitOptions = {
  /** Keys for every role that changes, and for snapshot and timestamp. */
  readonly signers: readonly Signer[];
  /**
   * Asked again whenever somebody else committed first, possibly on top of its own result when an answer got lost, so
   * applying it twice must equal applying it once. What it throws ends the commit.
   */
  readonly edit: Edit;
};

export type RoleOrder = {
  readonly role: string;
  readonly edit: RoleEdit;
  /** Enough keys of the role. */
  readonly signers: readonly Signer[];
};

/** A signed version of a role that is in the storage, but not published. */
export type StoredRole = {
  readonly role: string;
  readonly version: number;
  /** The published version that it was made on top of; on another one it must not be published. */
  readonly after: number;
  /** Of the file, in hex. */
  readonly sha256: string;
};

const MAX_TRIES = 40;
/** A new root and its timestamp are two puts right after each other. */
const MAX_HALF_APPLIED_TRIES = 4;

/** A repository that is there, or will be; nothing is read before `load` or `commit`. */
export function openRepository(options: RepositoryOptions): Repository {
  return new Repository(options);
}

/** A TUF repository in a storage, as publishers and the server work on it. Does not own the storage. */
export class Repository {
  readonly storage: Storage;
  readonly #options: RepositoryOptions;
  readonly #expiry: ExpiryPolicy;
  #cache: MetadataCache = new Map();
  #seen = { reign: '', timestamp: 0 };
  /** See RevisionContext.taken. */
  readonly #taken = new Map<string, number>();
  /** Whether others wrote while the last commit was made. */
  #hasRivals = false;

  constructor(options: RepositoryOptions) {
    this.storage = options.storage;
    this.#options = options;
    this.#expiry = options.expiry ?? DEFAULT_EXPIRY_POLICY;
  }

  /**
   * What is published now, with signatures, thresholds, versions, lengths and hashes of all metadata verified; expiry is
   * not (`roleExpiries` tells). Costs two reads when nothing changed since the last load.
   */
  async load(): Promise<RepositoryState> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#load();
      } catch (error) {
        const isPassing =
          error instanceof RepositoryError && error.code === 'repository/half-applied';
        if (!isPassing || attempt === MAX_HALF_APPLIED_TRIES) throw error;
        await pause(attempt, this.#options);
      }
    }
  }

  async #load(): Promise<RepositoryState> {
    // Before the first read: a commit that runs beside this one may raise it meanwhile.
    const seen = this.#seen;
    const { state, cache } = await loadState({
      storage: this.storage,
      cache: this.#cache,
      trustedRoot: this.#options.trustedRoot ?? null,
      lastRoot: this.#options.lastRoot,
    });
    // TUF 5.3.11: new timestamp or snapshot keys begin a new count.
    if (seen.reign === reignOf(state)) {
      verifyNotOlder(TIMESTAMP_OBJECT, seen.timestamp, state.timestamp.version);
    }
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

  /** What a commit of this edit would do; nothing is signed and nothing is written. */
  async plan(edit: Edit): Promise<EditPlan> {
    const state = await this.load();
    const plan = planEdit(state, await edit(state));
    this.#assertProfile(plan);
    return plan;
  }

  /**
   * Loads, edits, signs and publishes; begins again when somebody else was faster. Returns the state that holds the edit.
   * Whatever it throws, hosts see the old repository, except for `repository/unknown-outcome`, and for a new root that
   * was put before its timestamp: the same commit again finishes it.
   *
   * Two publishers that commit again and again would never let the slower one win: who met another waits a little before
   * the next commit, so that the loser finds the storage at rest.
   */
  async commit({ signers, edit }: CommitOptions): Promise<RepositoryState> {
    let lost: Written | null = null;
    for (let attempt = 0; attempt < MAX_TRIES; attempt += 1) {
      if (attempt > 0 || this.#hasRivals) await pause(Math.max(1, attempt), this.#options);
      this.#hasRivals = false;
      const state = await this.load();
      if (lost !== null && lost.roles.size > 0 && holds(state, lost)) return state;
      const wanted = await edit(state);
      const plan = planEdit(state, wanted);
      if (isNothing(plan)) return state;
      const outcome = await this.#try(plan, wanted, signers);
      if (outcome.kind === 'committed') {
        const after = stateAfter(plan, outcome);
        this.#see(after);
        return after;
      }
      lost = outcome;
    }
    throw new RepositoryError(
      'repository/contended',
      `others committed first ${MAX_TRIES} times in a row`,
      { hints: ['try again when fewer publishers are at work'] },
    );
  }

  /**
   * For who holds only the role's own keys: signs what the edit makes of it and stores that, where no host sees it until
   * somebody commits it (`adopted`). Null if the role says all that already.
   */
  async storeRole({ role, edit, signers }: RoleOrder): Promise<StoredRole | null> {
    const before = await this.load();
    const plan = planEdit(before, { roles: new Map([[role, edit]]) });
    const draft = revisionOf(plan).roles.get(role);
    if (draft === undefined || !isChanged(plan, role)) return null;
    requireSigners(role, draft.trust, signers);
    if (this.#options.trustedRoot === undefined) requireOwnHistory(before, [role], signers);
    this.#assertProfile(plan);
    await storeTargets(this.storage, edit);
    const { meta } = await writeVersion(role, draft, this.#contextOf(signers));
    const after = before.snapshot.meta[`${role}.json`]?.version ?? 0;
    return { role, after, version: meta.version, sha256: meta.hashes.sha256 };
  }

  #see(state: RepositoryState): void {
    const reign = reignOf(state);
    const before = reign === this.#seen.reign ? this.#seen.timestamp : 0;
    this.#seen = { reign, timestamp: Math.max(before, state.timestamp.version) };
  }

  async #try(plan: EditPlan, edit: RepositoryEdit, signers: readonly Signer[]) {
    const now = this.#options.now();
    const { allowEarlierExpiry = false } = this.#options;
    requireSaneClock(plan, { now, expiry: this.#expiry, allowEarlierExpiry });
    const revision = revisionOf(plan);
    if (plan.timestamp) requireAllSigners(revision, signers);
    if (this.#options.trustedRoot === undefined) {
      requireOwnHistory(plan.before, plan.signed.keys(), signers);
    }
    this.#assertProfile(plan);
    for (const [role, { signed }] of plan.adopted)
      verifyFresh(`the file of role ${role}`, signed, now);
    if (plan.root !== null) verifyFresh(`root ${plan.root.signed.version}`, plan.root.signed, now);
    for (const role of edit.roles.values()) await storeTargets(this.storage, role);
    await requireListed(this.storage, plan);
    if (!plan.timestamp) return this.#writeRootOnly(plan);
    return writeRevision(revision, this.#contextOf(signers));
  }

  #assertProfile(plan: EditPlan): void {
    const now = this.#options.now();
    assertProfileOfChange(profileChangeOf(plan, { now, expiry: this.#expiry }));
  }

  #contextOf(signers: readonly Signer[]): RevisionContext {
    return {
      storage: this.storage,
      signers,
      now: this.#options.now(),
      expiry: this.#expiry,
      taken: this.#taken,
      onRival: () => {
        this.#hasRivals = true;
      },
      patience: this.#options,
    };
  }

  /** Nothing that is published depends on the change: its put is the commit. */
  async #writeRootOnly({ root, before }: EditPlan) {
    if (root !== null) await writeFixed('root', root, this.storage);
    const { snapshot, timestamp, timestampEtag } = before;
    const roles: Written['roles'] = new Map();
    return { kind: 'committed' as const, roles, snapshot, timestamp, timestampEtag };
  }
}

function reignOf({ root }: RepositoryState): string {
  return JSON.stringify([root.roles.timestamp.keyids, root.roles.snapshot.keyids]);
}

function isChanged({ before, signed }: EditPlan, role: string): boolean {
  const present = role === 'targets' ? before.targets : before.delegated.get(role);
  const next = signed.get(role);
  if (present === undefined || next === undefined) return true;
  return Buffer.compare(canonicalBytes(present), canonicalBytes(next)) !== 0;
}

/** Whether our files are published after all: our timestamp had won, and others have built on it since. */
function holds({ snapshot }: RepositoryState, { roles }: Written): boolean {
  return [...roles].every(([role, { meta }]) => {
    const published = snapshot.meta[`${role}.json`];
    return published?.version === meta.version && published.hashes.sha256 === meta.hashes.sha256;
  });
}
