import type { Logger } from 'pino';
import type { EventLog } from '../event-log.ts';
import type { LoadMeter } from '../load-meter.ts';
import type { Metrics } from '../metrics.ts';
import type { RepositoryLink } from '../repository-link.ts';
import { leads } from '../../adapters/state/replicas.ts';
import type { News, Replicas } from '../../adapters/state/replicas.ts';
import type { JudgedState } from './gates.ts';
import { Job } from './job.ts';
import type { StartTimer } from './job.ts';
import type { Leases } from '../leases.ts';
import type { LimitMembers } from '../limit-members.ts';
import type { Listing } from './listing.ts';
import type { Outbox } from '../outbox.ts';
import type { Retention } from './retention.ts';

const OUTBOX_MS = 60_000;
const LISTING_MS = 5000;
const WRITE_BEHIND_MS = 1000;
const LOAD_MS = 5000;
const GATES_MS = 5000;
const AUDIT_MS = 60_000;
const RETENTION_MS = 1000;
const LEASES_MS = 5000;
const MEMBERS_MS = 5000;
const CLOCK_MS = 5000;

export type JobsOptions = {
  readonly replicas: Replicas;
  readonly outbox: Pick<Outbox, 'learn'>;
  readonly commitPending: () => Promise<void>;
  readonly link: RepositoryLink;
  readonly listing: Listing;
  readonly retention: Retention;
  readonly flush: () => Promise<void>;
  /** Does what the outcomes of hosts ask for. */
  readonly judge: (states: readonly JudgedState[]) => Promise<void>;
  readonly leases: Pick<Leases, 'tick' | 'mayHold'>;
  readonly members: Pick<LimitMembers, 'tick'>;
  /** Writes down in the audit log what others committed. */
  readonly recordFound: () => Promise<void>;
  /** Throws while the clock of the machine is not believed. */
  readonly checkClock: () => void;
  readonly load: LoadMeter;
  readonly events: Pick<EventLog, 'publish'>;
  /** How often the repository is looked at for what others committed. */
  readonly followMs: number;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly startTimer: StartTimer;
};

export type Jobs = ReturnType<typeof createJobs>;

/** All background work; nothing runs before `start`. */
export function createJobs(options: JobsOptions) {
  const { replicas } = options;
  const job = (name: string, everyMs: number, run: () => Promise<unknown>) =>
    new Job({
      name,
      everyMs,
      run: async () => {
        await run();
      },
      log: options.log,
      onFailure: (failed) => {
        options.metrics.jobFailures.inc({ job: failed });
        options.events.publish('job', { job: failed, works: false });
      },
      onRecovery: (recovered) => {
        options.events.publish('job', { job: recovered, works: true });
      },
      startTimer: options.startTimer,
    });
  /** A job of which one server on a database is enough; the others wait until they lead. */
  const led = (name: string, everyMs: number, run: () => Promise<unknown>) =>
    job(name, everyMs, async () => {
      if (leads(replicas)) await run();
    });
  const outbox = led('outbox', OUTBOX_MS, options.commitPending);
  const writeBehind = job('write-behind', WRITE_BEHIND_MS, options.flush);
  // Not a part of `gates`: it needs the repository, and while that does not answer others have to be halted.
  const waysBack = led('ways-back', GATES_MS, () => options.judge(['halted']));
  const gates = led('gates', GATES_MS, async () => {
    await options.judge(['running']);
    waysBack.wake();
  });
  const leases = job('leases', LEASES_MS, () => options.leases.tick());
  const audit = job('audit', AUDIT_MS, options.recordFound);
  const follow = job('follow', options.followMs, () => options.link.follow());
  // Not a part of `follow`: what others accepted is obeyed although the storage does not answer.
  const learn = job('learn', options.followMs, async () => {
    await options.outbox.learn();
    // What other servers accepted is committed by the one that leads.
    outbox.wake();
  });
  const ofLeader = [
    outbox,
    gates,
    waysBack,
    led('listing', LISTING_MS, () => options.listing.tick()),
    led('retention', RETENTION_MS, () => options.retention.tick()),
  ];
  const all = [
    ...ofLeader,
    writeBehind,
    leases,
    job('limit-members', MEMBERS_MS, () => options.members.tick()),
    audit,
    learn,
    follow,
    job('clock', CLOCK_MS, async () => {
      options.checkClock();
    }),
    job('load', LOAD_MS, async () => {
      options.load.sample();
    }),
  ];
  const onNews = (news: News) => {
    switch (news.kind) {
      case 'changed':
        learn.wake();
        follow.wake();
        return;
      case 'failed':
        gates.wake();
        return;
      case 'leased':
        options.leases.mayHold(news.hostId);
    }
  };
  return {
    outbox,
    writeBehind,
    /** Judges as soon as possible, on the server that leads. */
    gates: {
      wake: () => {
        if (leads(replicas)) gates.wake();
        else replicas.notify({ kind: 'failed' });
      },
    },
    leases,
    audit,
    start: () => {
      all.forEach((one) => {
        one.start();
      });
      replicas.start({
        onNews,
        onLead: (isLeader) => {
          options.log.info({}, isLeader ? 'leading' : 'not leading any more');
          if (isLeader) ofLeader.forEach((one) => one.wake());
        },
      });
    },
    stop: async () => {
      await Promise.all(all.map((one) => one.stop()));
    },
  };
}
