import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type { Patience } from '../adapters/repository/patience.ts';
import { openRepository } from '../adapters/repository/repository.ts';
import { readManifest } from '../adapters/repository/rollouts.ts';
import type { Signer } from '../adapters/signing/signer.ts';
import type { Replicas } from '../adapters/state/replicas.ts';
import type { State } from '../adapters/state/state.ts';
import type { Storage } from '../adapters/storage/storage.ts';
import type { ExpiryPolicy } from '../core/tuf/lifetimes.ts';
import { openAuditTrail } from './audit-trail.ts';
import type { AuditTrail } from './audit-trail.ts';
import type { CheckInPace } from './check-in-interval.ts';
import { EventLog } from './event-log.ts';
import { Fleet } from './fleet.ts';
import { judgeRollouts } from './jobs/gates.ts';
import type { JudgedState } from './jobs/gates.ts';
import { publishChanges } from './fleet-events.ts';
import { HostSweep } from './host-sweep.ts';
import type { StartTimer } from './jobs/job.ts';
import { createJobs } from './jobs/jobs.ts';
import type { Jobs } from './jobs/jobs.ts';
import { Listing } from './jobs/listing.ts';
import { commitPending } from './jobs/outbox.ts';
import { Retention } from './jobs/retention.ts';
import type { RetentionPolicy } from './jobs/retention.ts';
import { Leases } from './leases.ts';
import { LimitMembers } from './limit-members.ts';
import { LoadMeter } from './load-meter.ts';
import { createMetrics } from './metrics.ts';
import type { Metrics } from './metrics.ts';
import type { Operator } from '../core/operators.ts';
import { Outbox, readOutbox } from './outbox.ts';
import { ReleaseCatalog } from './release-catalog.ts';
import { ReportIntake } from './report-intake.ts';
import { RepositoryLink } from './repository-link.ts';
import { requireServerKeys } from './required-keys.ts';
import { requireSteady } from './steady-clock.ts';
import type { SteadyClock } from './steady-clock.ts';
import { UpdogSightings } from './updog-sightings.ts';
import { VerbIntake } from './verb-intake.ts';
import { WriteBehind } from './write-behind.ts';

/** What a server is made of; it owns none of it. */
export type ContextParts = Patience & {
  readonly storage: Storage;
  readonly state: State;
  /** The servers on the same database. */
  readonly replicas: Replicas;
  readonly signers: readonly Signer[];
  /** Who may use the API, and for what. */
  readonly operators: readonly Operator[];
  readonly pace: CheckInPace;
  readonly followMs: number;
  /** How long a host that says nothing counts as being under way. */
  readonly leaseMs: number;
  /** How long what hosts told is kept. */
  readonly keep: RetentionPolicy;
  /** How long what the server signs is valid, and when it is due. */
  readonly expiry: ExpiryPolicy;
  readonly log: Logger;
  readonly now: () => Date;
  /** Whether `now` is what the clock of the machine says. */
  readonly clock: Pick<SteadyClock, 'doubt'>;
  /** 0 <= n < 1. */
  readonly random: () => number;
  readonly startTimer: StartTimer;
};

export type Context = ContextParts & {
  readonly fleet: Fleet;
  readonly leases: Leases;
  readonly members: LimitMembers;
  readonly sweep: HostSweep;
  readonly trail: AuditTrail;
  readonly events: EventLog;
  readonly metrics: Metrics;
  readonly updog: UpdogSightings;
  readonly load: LoadMeter;
  readonly link: RepositoryLink;
  readonly listing: Listing;
  readonly releases: ReleaseCatalog;
  readonly writeBehind: WriteBehind;
  readonly reportIntake: ReportIntake;
  readonly outbox: Outbox;
  readonly intake: VerbIntake;
  readonly jobs: Jobs;
  /** Commits the verbs of the outbox now. */
  readonly commitPending: () => Promise<void>;
  /** Does what the outcomes of hosts ask for, now. */
  readonly judge: (states?: readonly JudgedState[]) => Promise<void>;
};

/** Reads the repository and the outbox; both must be readable, and the keys the right ones. Starts no job. */
export async function openContext(parts: ContextParts): Promise<Context> {
  const { storage, state, replicas, signers, expiry, now, log } = parts;
  const { random, sleep } = parts;
  const repository = openRepository({
    storage,
    now,
    expiry,
    random,
    ...(sleep === undefined ? {} : { sleep }),
  });
  // Before the manifest: a verb that leaves the outbox meanwhile is in the manifest then.
  const { pending, learntUpTo } = await readOutbox(state);
  const published = await repository.load();
  requireServerKeys(published, signers);
  const manifest = await readManifest(repository, published);
  const events = new EventLog({ epoch: randomUUID().slice(0, 8) });
  const fleet = new Fleet({ state: published, ...manifest }, pending, (before, after) => {
    publishChanges(events, before, after);
  });
  const outbox = new Outbox({ state, fleet, learntUpTo });
  const trail = await openAuditTrail({
    state,
    fleet,
    now,
    log,
    wake: () => {
      jobs.audit.wake();
    },
  });
  const sweep = new HostSweep(state);
  const members = new LimitMembers({ sweep, fleet, now });
  const leases = new Leases({
    state,
    fleet,
    members,
    timeoutMs: parts.leaseMs,
    now,
    requireClock: () => {
      link.requireClock();
    },
    wake: () => {
      jobs.leases.wake();
    },
    onGrant: (hostId) => {
      replicas.notify({ kind: 'leased', hostId });
    },
  });
  const updog = new UpdogSightings();
  const metrics = createMetrics({ fleet, leases, state, updog, now });
  const load = new LoadMeter();
  const tellOthers = () => {
    replicas.notify({ kind: 'changed' });
  };
  const link = new RepositoryLink({
    repository,
    signers,
    fleet,
    trail,
    expiry,
    now,
    onCommit: () => {
      metrics.commits.inc();
    },
    onOwnCommit: tellOthers,
  });
  const listing = new Listing({ fleet, link, now });
  const commit = () => commitPending({ outbox, link, metrics, onFinished: tellOthers, now, log });
  const judge: Context['judge'] = (states = ['running', 'halted']) =>
    judgeRollouts({ state, fleet, intake, writeBehind, now }, states);
  const jobs = createJobs({
    replicas,
    outbox,
    commitPending: commit,
    flush: () => writeBehind.flush(),
    judge,
    leases,
    members,
    recordFound: () => trail.flush(),
    checkClock: () => {
      requireSteady(parts.clock);
    },
    link,
    listing,
    retention: new Retention({
      state,
      signedHead: () => fleet.view.published.auditHead,
      policy: parts.keep,
      now,
      log,
    }),
    load,
    events,
    followMs: parts.followMs,
    log,
    metrics,
    startTimer: parts.startTimer,
  });
  const writeBehind = new WriteBehind({
    state,
    wake: () => {
      jobs.writeBehind.wake();
    },
    onDropped: (count) => {
      metrics.dropped.inc(count);
    },
  });
  const intake = new VerbIntake({
    state,
    outbox,
    fleet,
    link,
    now,
    log,
    onAccepted: () => {
      jobs.outbox.wake();
      tellOthers();
    },
  });
  return {
    ...parts,
    fleet,
    leases,
    members,
    sweep,
    trail,
    events,
    metrics,
    updog,
    load,
    link,
    listing,
    releases: new ReleaseCatalog({ repository, fleet, now }),
    writeBehind,
    reportIntake: new ReportIntake({ state }),
    outbox,
    intake,
    jobs,
    commitPending: commit,
    judge,
  };
}
