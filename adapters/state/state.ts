import type { AuditEntry, AuditRecord, ChainHead } from '../../core/audit.ts';
import { ExpectedError } from '../../core/errors.ts';
import type { Counters } from '../../core/rollout.ts';

export type StateErrorCode =
  /** The state URL is malformed or names an engine that is not supported. */
  | 'state/url'
  /** The file is not a Tidegate database, or its content is broken. */
  | 'state/damaged'
  /** A newer Tidegate has changed this database; this one must not write to it. */
  | 'state/newer'
  /** The disk or quota is full; nothing of the operation was kept. */
  | 'state/full'
  /** Another process held the database for longer than the caller was willing to wait. */
  | 'state/busy'
  /** The operating system refused to read or write the file or its folder. */
  | 'state/denied'
  /** The disk failed, or the state is closed. */
  | 'state/unavailable'
  /** A verb of this id exists with another content. */
  | 'state/conflict'
  /** No verb has this id. */
  | 'state/not-there'
  /** A state is imported into an empty one only. */
  | 'state/not-empty'
  /** The file is not an exported state, or not as it was written. */
  | 'state/export';

export class StateError extends ExpectedError<StateErrorCode> {}

/** A host as it described itself in a check-in. */
export type HostSeen = {
  readonly id: string;
  readonly variant: string;
  readonly arch: string;
  readonly version: string;
  /** 0..2047: the declared seed, or the one derived from the id. */
  readonly seed: number;
  readonly group: string | null;
  readonly labels: Readonly<Record<string, string>>;
  /** The agent's state, such as `idle` or `staged`. */
  readonly state: string;
  /** By the server's clock. */
  readonly seenAt: Date;
};

export type Host = Omit<HostSeen, 'seenAt'> & {
  readonly firstSeen: Date;
  readonly lastSeen: Date;
};

export type HostSelection = { readonly variant: string; readonly arch: string };

/** All of what is given must hold; without anything it is every host. */
export type HostFilter = {
  readonly [K in 'variant' | 'arch' | 'version' | 'group' | 'state']?: string | undefined;
} & {
  readonly idPrefix?: string | undefined;
  /** The host has these labels, and may have others. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** The host stands in this rollout: anywhere, or here. */
  readonly rollout?: { readonly id: string; readonly progress?: Progress | undefined } | undefined;
};

/** The search goes on after the host `next`; null if there is nothing more to find. */
export type HostPage = { readonly hosts: readonly Host[]; readonly next: string | null };

export type VersionCount = { readonly version: string; readonly hosts: number };

export type Offer = {
  readonly rolloutId: string;
  readonly hostId: string;
  /** By the server's clock. */
  readonly at: Date;
};

export const OUTCOMES = ['updated', 'failed', 'rolled-back'] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** Where a host stands in a rollout. */
export type Progress = 'offered' | 'overdue' | Outcome;

/** What a host says about one update attempt. */
export type HostReport = {
  /** Made by the host and unique on it: a report of a known id is the same report again. */
  readonly id: string;
  readonly rolloutId: string;
  readonly from: string;
  readonly to: string;
  readonly outcome: Outcome;
  readonly stage: string;
  readonly error: string | null;
  /** By the host's clock, which may be wrong. */
  readonly at: Date;
  /** Of the rollout, as the server knew it when the report came; the first one unless it says so. */
  readonly attempt?: number;
};

export type StoredReport = HostReport & { readonly hostId: string; readonly receivedAt: Date };

/** What one host reported at one time. */
export type HostReports = {
  readonly hostId: string;
  readonly reports: readonly HostReport[];
  /** By the server's clock. */
  readonly receivedAt: Date;
};

/** Of one rollout. `rolledBack` are the hosts, each counted once, that went back. */
export type RolloutCounts = Counters & { readonly rolledBack: number };
export type RolloutEvents = Pick<Counters, 'successes' | 'failures'>;

export type LeaseOrder = {
  readonly hostId: string;
  /** Every limit that bounds the host, each once, with how many leases of it may be out. */
  readonly limits: readonly { readonly key: string; readonly ceiling: number }[];
  /** By the server's clock; leases that expire then are free. */
  readonly at: Date;
  readonly until: Date;
};

export type Lease = { readonly hostId: string; readonly key: string; readonly until: Date };

/** Where a sweep over hosts or reports stands; of a host only `hostId` counts. */
export type SweepPlace = { readonly hostId: string; readonly id: string };

export type Swept = {
  readonly forgotten: number;
  /** Where the next page begins; null at the end. */
  readonly next: SweepPlace | null;
};

export type SweepPage = { readonly after: SweepPlace | null; readonly limit: number };

/** What the audit log may forget. */
export type AuditOrder = {
  readonly before: Date;
  /** The last entry that may be forgotten. */
  readonly upTo: number;
  readonly limit: number;
  /** By the server's clock. */
  readonly at: Date;
};

export type NewVerb = {
  /** Unique for ever, made by whoever asks. */
  readonly id: string;
  /** The verb as its author wrote it; kept byte for byte. */
  readonly json: string;
  readonly acceptedAt: Date;
};

export type VerbResult =
  { readonly kind: 'committed' } | { readonly kind: 'rejected'; readonly message: string };

export type VerbStatus =
  { readonly kind: 'pending' } | (VerbResult & { readonly finishedAt: Date });

export type StoredVerb = NewVerb & {
  /** 1, 2, 3, … in the order of acceptance. */
  readonly sequence: number;
  readonly status: VerbStatus;
};

/**
 * What is not in the repository: hosts, reports, counters and the outbox of verbs. Times are kept in whole milliseconds.
 * Reports and verbs are durable when their promise resolves. Every foreseen failure is a StateError, and then nothing
 * of that call was kept unless the method says otherwise. Disposing waits for calls under way; later calls are refused.
 */
export interface State extends AsyncDisposable {
  /** Made at the database's first opening and never changed. */
  readonly instanceId: string;
  /** Why writing failed lately and has not worked since; a database whose disk is full can still be read. */
  readonly failingWrite: StateError | null;

  /**
   * Remembers hosts; a host that was seen later than `seenAt` already stays as it is. Written in several
   * transactions: after a failure a part may be kept, and the same batch may be given again.
   */
  touchHosts(batch: readonly HostSeen[]): Promise<void>;
  findHost(id: string): Promise<Host | null>;
  /** A page of hosts in ascending order of id, those after `after` only. */
  hostsOf(
    selection: HostSelection,
    page: { readonly after: string | null; readonly limit: number },
  ): Promise<readonly Host[]>;
  /**
   * Up to `limit` hosts that fit, in ascending order of id, those after `after` only. Looks at `scan` hosts at most, so
   * that no search holds others up for long: a page may be short, even empty, although there is more.
   */
  findHosts(
    filter: HostFilter,
    page: { readonly after: string | null; readonly limit: number; readonly scan: number },
  ): Promise<HostPage>;
  /** Hosts per running version, in no promised order of versions: a row each, whatever the size of the fleet. */
  countHosts(selection: HostSelection): Promise<readonly VersionCount[]>;

  /** Counts a host as offered unless it was before or has reported an outcome; in several transactions as `touchHosts`. */
  recordOffers(batch: readonly Offer[]): Promise<void>;
  /**
   * Stores the reports that are new and counts each once, whatever their order: a host stands where its latest report
   * by its own clock says, at equal times where the worse one says. Returns how many were new.
   */
  recordReports(hostId: string, reports: readonly HostReport[], receivedAt: Date): Promise<number>;
  /** `recordReports` for many hosts in one transaction, in their order: all of it or nothing. */
  recordReportBatch(batch: readonly HostReports[]): Promise<readonly number[]>;
  /** One row, whatever the size of the fleet; zeros for a rollout that nobody was offered. */
  countsOf(rolloutId: string): Promise<RolloutCounts>;
  /**
   * Raises the counts of events that only grow to what is known from elsewhere: a database that lost some of them would
   * take as many new ones for those.
   */
  raiseEvents(rolloutId: string, atLeast: RolloutEvents): Promise<void>;
  /**
   * Counts as overdue who was offered the release before this time of the server's clock and has said nothing since.
   * Returns how many were found. In several transactions as `touchHosts`.
   */
  markOverdue(rolloutId: string, before: Date): Promise<number>;
  /**
   * Hosts that failed in an earlier attempt, or are overdue, count as offered again, from `at`: once for each attempt, however
   * often it is called for it. Who has failed in this one already is counted for it. In several transactions as `touchHosts`.
   */
  retryFailed(rolloutId: string, attempt: number, at: Date): Promise<void>;
  /** Reports of the outcome `failed`, the last received first. */
  failuresOf(rolloutId: string, limit: number): Promise<readonly StoredReport[]>;

  /** Forgets those of a page of hosts that were not seen since; what they reported stays, and so do all counts. */
  forgetHosts(unseenSince: Date, page: SweepPage): Promise<Swept>;
  /**
   * Forgets those of a page of reports that were received before. Counts and where hosts stand stay, so that a forgotten
   * report that comes again is stored again and counted no more.
   */
  forgetReports(receivedBefore: Date, page: SweepPage): Promise<Swept>;

  /**
   * Gives the host a lease of each limit until a time, or leaves it with what it has: never more than `ceiling` of a limit
   * are out, however many servers ask at once. Who holds one is given it anew once half of its time is over; a new report of
   * the host frees all of its.
   */
  grantLease(order: LeaseOrder): Promise<boolean>;
  /** All that are out at this time. */
  leasesAt(at: Date): Promise<readonly Lease[]>;

  /**
   * The same id and JSON again changes nothing; the same id with other JSON is `state/conflict`. The record stands in
   * the audit log if and only if the verb is kept.
   */
  enqueueVerb(verb: NewVerb, record: AuditRecord): Promise<StoredVerb>;
  findVerb(id: string): Promise<StoredVerb | null>;
  /** In the order of acceptance. */
  pendingVerbs(): Promise<readonly StoredVerb[]>;
  /** In the order of acceptance: the pending ones, and all behind this sequence, finished or not. */
  verbsBehind(sequence: number): Promise<readonly StoredVerb[]>;
  /** A finished verb keeps its first result, which is returned, and only that is written in the audit log. */
  finishVerb(id: string, result: VerbResult, at: Date, record: AuditRecord): Promise<StoredVerb>;
  /** The last accepted first, finished ones too. */
  recentVerbs(limit: number): Promise<readonly StoredVerb[]>;

  /** Writes down verbs that somebody committed without this database, each once, all or none; returns how many were new. */
  recordFound(records: readonly AuditRecord[]): Promise<number>;
  /** Lets the audit log go on behind this head if it ends before it, because its database was lost. */
  continueAudit(head: ChainHead): Promise<void>;
  /**
   * Forgets the first entries of the audit log, as far as they were written before a time, and has the log say so: it goes on
   * as it was, and the verbs that those told of are not found again. Returns how many were forgotten.
   */
  forgetAudit(order: AuditOrder): Promise<number>;
  /** `EMPTY_CHAIN` before the first entry. */
  auditHead(): Promise<ChainHead>;
  /** Those behind the sequence `after`, in order; as they stand there, which may be damaged. */
  auditEntries(page: {
    readonly after: number;
    readonly limit: number;
  }): Promise<readonly AuditEntry[]>;
}
