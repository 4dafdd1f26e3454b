import type { Logger } from 'pino';
import type { Patience } from '../adapters/repository/patience.ts';
import { openRepository } from '../adapters/repository/repository.ts';
import { readPlan } from '../adapters/repository/rollouts.ts';
import type { Signer } from '../adapters/signing/signer.ts';
import type { State, StoredVerb } from '../adapters/state/state.ts';
import type { Storage } from '../adapters/storage/storage.ts';
import { parseVerb } from '../core/verb-json.ts';
import type { ExpiryPolicy } from '../core/tuf/lifetimes.ts';
import type { PlanVerb } from '../core/plan.ts';
import type { CheckInPace } from './check-in-interval.ts';
import { ServerError } from './errors.ts';
import { Fleet } from './fleet.ts';
import type { StartTimer } from './jobs/job.ts';
import { createJobs } from './jobs/jobs.ts';
import type { Jobs } from './jobs/jobs.ts';
import { Listing } from './jobs/listing.ts';
import { commitPending } from './jobs/outbox.ts';
import { LoadMeter } from './load-meter.ts';
import { createMetrics } from './metrics.ts';
import type { Metrics } from './metrics.ts';
import { RepositoryLink } from './repository-link.ts';
import { requireServerKeys } from './required-keys.ts';
import { VerbIntake } from './verb-intake.ts';
import { WriteBehind } from './write-behind.ts';

/** What a server is made of; it owns none of it. */
export type ContextParts = Patience & {
  readonly storage: Storage;
  readonly state: State;
  readonly signers: readonly Signer[];
  /** The operators' bearer token. */
  readonly token: string;
  readonly pace: CheckInPace;
  readonly followMs: number;
  /** How long what the server signs is valid, and when it is due. */
  readonly expiry: ExpiryPolicy;
  readonly log: Logger;
  readonly now: () => Date;
  /** 0 <= n < 1. */
  readonly random: () => number;
  readonly startTimer: StartTimer;
};

export type Context = ContextParts & {
  readonly fleet: Fleet;
  readonly metrics: Metrics;
  readonly load: LoadMeter;
  readonly link: RepositoryLink;
  readonly listing: Listing;
  readonly writeBehind: WriteBehind;
  readonly intake: VerbIntake;
  readonly jobs: Jobs;
  /** Commits the verbs of the outbox now. */
  readonly commitPending: () => Promise<void>;
};

/** Reads the repository and the outbox; both must be readable, and the keys the right ones. Starts no job. */
export async function openContext(parts: ContextParts): Promise<Context> {
  const { storage, state, signers, expiry, now, log } = parts;
  const { random, sleep } = parts;
  const repository = openRepository({
    storage,
    now,
    expiry,
    random,
    ...(sleep === undefined ? {} : { sleep }),
  });
  const published = await repository.load();
  requireServerKeys(published, signers);
  const plan = await readPlan(repository, published);
  const pending = (await state.pendingVerbs()).map(readVerb);
  const fleet = new Fleet({ state: published, ...plan }, pending);
  const metrics = createMetrics({ fleet, state, now });
  const load = new LoadMeter();
  const link = new RepositoryLink({
    repository,
    signers,
    fleet,
    expiry,
    now,
    onCommit: () => {
      metrics.commits.inc();
    },
  });
  const listing = new Listing({ fleet, link, now });
  const commit = () => commitPending({ state, fleet, link, metrics, now, log });
  const jobs = createJobs({
    commitPending: commit,
    flush: () => writeBehind.flush(),
    link,
    listing,
    load,
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
    fleet,
    link,
    now,
    log,
    wakeOutbox: () => {
      jobs.outbox.wake();
    },
  });
  return {
    ...parts,
    fleet,
    metrics,
    load,
    link,
    listing,
    writeBehind,
    intake,
    jobs,
    commitPending: commit,
  };
}

/** A verb that cannot be read must not be skipped: those behind it may build on it. */
function readVerb({ id, json }: StoredVerb): PlanVerb {
  try {
    return parseVerb(json);
  } catch (cause) {
    throw new ServerError('server/outbox', `verb ${id} of the outbox cannot be read`, { cause });
  }
}
