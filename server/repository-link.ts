import type { Repository, RepositoryState } from '../adapters/repository/repository.ts';
import {
  commitVerbs,
  findRelease,
  PublishedError,
  readManifest,
} from '../adapters/repository/rollouts.ts';
import type { VerbsCommitted } from '../adapters/repository/rollouts.ts';
import { requireClockToSign } from '../adapters/repository/sane-clock.ts';
import type { Signer } from '../adapters/signing/signer.ts';
import type { CommitAnswer, CommitRequest } from '../core/operator-api.ts';
import type { PlanVerb } from '../core/plan.ts';
import { RecentFailures } from '../core/recent-failures.ts';
import type { ReleaseRef } from '../core/rollout.ts';
import type { ExpiryPolicy } from '../core/tuf/lifetimes.ts';
import type { Platform } from '../core/tuf/names.ts';
import type { AuditTrail } from './audit-trail.ts';
import type { Fleet, FleetView, Published } from './fleet.ts';
import { Mutex } from './mutex.ts';
import { isRenewalDue, ownRenewal } from './renewal.ts';
import { commitRole, isRefusal } from './role-commit.ts';

/** How the last try to reach the repository ended. */
export type Contact =
  | { readonly kind: 'ok'; readonly at: Date }
  | { readonly kind: 'failed'; readonly at: Date; readonly error: unknown };

export type RepositoryLinkOptions = {
  readonly repository: Repository;
  readonly signers: readonly Signer[];
  readonly fleet: Fleet;
  readonly trail: Pick<AuditTrail, 'headToSign' | 'observe'>;
  /** When the server's roles are due. */
  readonly expiry: ExpiryPolicy;
  readonly now: () => Date;
  /** Called for every new published state, whoever made it. */
  readonly onCommit: () => void;
  /** Called after it for those that this server committed. */
  readonly onOwnCommit: () => void;
};

/**
 * The server's one way to the repository while it runs: one piece of work at a time, so that it never races with
 * itself. Whatever it learns of the published state goes into the fleet.
 */
export class RepositoryLink {
  readonly #options: RepositoryLinkOptions;
  readonly #mutex = new Mutex();
  /** A store that is full can still be read: following it must not hide that a commit fails. */
  readonly #failedCommits = new RecentFailures<Contact>();
  #contact: Contact;

  constructor(options: RepositoryLinkOptions) {
    this.#options = options;
    this.#contact = { kind: 'ok', at: options.now() };
  }

  get contact(): Contact {
    return this.#failedCommits.last(performance.now()) ?? this.#contact;
  }

  /**
   * Takes over what others committed; true if there was something. A verb leaves the memory only once the manifest was read after
   * the verb had left the outbox, so that there is no moment in which it is in neither.
   */
  follow(): Promise<boolean> {
    return this.#work(async () => {
      const { repository, fleet } = this.#options;
      // Committed before the manifest is read, so that it shows what became of them.
      const held = committedIds(fleet.view);
      const state = await repository.load();
      const { published } = fleet.view;
      const isNew = state.timestampEtag !== published.state.timestampEtag;
      if (isNew) this.#publish({ state, ...(await readManifest(repository, state)) }, held);
      else if (held.size > 0) fleet.publish(published, held);
      return isNew;
    });
  }

  /** Signs and publishes the verbs, or whatever the passing of time changes in the manifest. */
  commit(verbs: readonly PlanVerb[]): Promise<Pick<VerbsCommitted, 'rejected' | 'changes'>> {
    return this.#change(async () => {
      const { repository, signers, now, trail } = this.#options;
      const auditHead = await trail.headToSign();
      const done = await commitVerbs(repository, { signers, verbs, now: now(), auditHead });
      this.#publishOwn(done);
      return done;
    });
  }

  /** Publishes a role file that a publisher without online keys signed and stored. Throws CommitError if it must not be. */
  commitRole(request: CommitRequest): Promise<CommitAnswer> {
    return this.#change(async () => {
      const { repository, signers, fleet, now } = this.#options;
      const { state, changed } = await commitRole(request, {
        repository,
        signers,
        rollouts: () => fleet.view.rollouts,
        now: now(),
      });
      this.#publishOwn({ state, ...(await readManifest(repository, state)) });
      return { changed, snapshot: state.snapshot.version, timestamp: state.timestamp.version };
    });
  }

  /** Throws if nothing can be committed by this clock, so that nothing may be promised either. */
  requireClock(): void {
    const { fleet, now, expiry } = this.#options;
    requireClockToSign(fleet.view.published.state, { now: now(), expiry });
  }

  /** Whether one of the server's roles should be signed anew by now. */
  isRenewalDue(): boolean {
    const { fleet } = this.#options;
    return isRenewalDue(fleet.view.published.state, this.#renewalOrder());
  }

  /** Signs those of the server's roles anew that are due. */
  renew(): Promise<void> {
    return this.#change(async () => {
      const { repository, signers } = this.#options;
      const edit = (before: RepositoryState) => ownRenewal(before, this.#renewalOrder());
      const state = await repository.commit({ signers, edit });
      this.#publishOwn({ state, ...(await readManifest(repository, state)) });
    });
  }

  /** Looks again at what is published before it throws PublishedError: the release may have come a moment ago. */
  async findRelease(wanted: Platform & { readonly version: string }): Promise<ReleaseRef> {
    const { repository, fleet } = this.#options;
    const find = () => findRelease(repository, fleet.view.published.state, wanted);
    try {
      return await find();
    } catch (error) {
      if (!(error instanceof PublishedError)) throw error;
      // Whether there was news or somebody else took it over meanwhile: what is known now counts.
      await this.follow();
      return await find();
    }
  }

  #renewalOrder() {
    const { signers, now, expiry } = this.#options;
    return { signers, now: now(), policy: expiry };
  }

  #publish(
    { state, rollouts, fleet: record, auditHead }: Published,
    held?: ReadonlySet<string>,
  ): void {
    const { fleet, trail, onCommit } = this.#options;
    const before = fleet.view.published;
    if (state.timestampEtag !== before.state.timestampEtag) onCommit();
    trail.observe(before, { rollouts, fleet: record });
    fleet.publish({ state, rollouts, fleet: record, auditHead }, held);
  }

  #publishOwn(published: Published): void {
    const isNew =
      published.state.timestampEtag !== this.#options.fleet.view.published.state.timestampEtag;
    this.#publish(published);
    if (isNew) this.#options.onOwnCommit();
  }

  async #change<T>(work: () => Promise<T>): Promise<T> {
    try {
      const result = await this.#work(work);
      this.#failedCommits.worked('commit');
      return result;
    } catch (error) {
      if (!isRefusal(error)) this.#failedCommits.failed('commit', this.#contact, performance.now());
      throw error;
    }
  }

  #work<T>(work: () => Promise<T>): Promise<T> {
    return this.#mutex.run(async () => {
      const { now } = this.#options;
      try {
        const result = await work();
        this.#contact = { kind: 'ok', at: now() };
        return result;
      } catch (error) {
        // A request that must be refused says nothing of the repository.
        if (!isRefusal(error)) this.#contact = { kind: 'failed', at: now(), error };
        throw error;
      }
    });
  }
}

function committedIds({ accepted }: FleetView): ReadonlySet<string> {
  const committed = accepted.filter(({ status }) => status === 'committed');
  return new Set(committed.map(({ verb }) => verb.id));
}
