import type { AuditEntry } from '../../core/audit.ts';
import type { Outcome, Progress } from './state.ts';

/** The schema after the last migration. Every `…_at` and `…_seen` is whole milliseconds since the epoch. */
export type Tables = {
  meta: { name: string; value: string };
  hosts: {
    id: string;
    variant: string;
    arch: string;
    version: string;
    seed: number;
    group_name: string | null;
    /** A JSON object of strings. */
    labels: string;
    state: string;
    first_seen: number;
    last_seen: number;
  };
  /** How many rows `hosts` has of each kind, kept in the transactions that change them; none that is zero. */
  host_counts: { variant: string; arch: string; version: string; hosts: number };
  reports: {
    host_id: string;
    id: string;
    rollout_id: string;
    from_version: string;
    to_version: string;
    outcome: Outcome;
    stage: string;
    error: string | null;
    reported_at: number;
    received_at: number;
  };
  progress: {
    rollout_id: string;
    host_id: string;
    progress: Progress;
    /** Of an offer by the server's clock, of an outcome by the host's: never compare one with the other. */
    decided_at: number;
    /** Of the rollout, as it was known when the host came to stand here. */
    attempt: number;
  };
  /** How many rows `progress` has of each kind, and the events, kept in the transactions that change them. */
  rollout_counts: {
    rollout_id: string;
    offered: number;
    updated: number;
    failed: number;
    rolled_back: number;
    overdue: number;
    successes: number;
    failures: number;
    attempt: number;
  };
  verbs: {
    id: string;
    sequence: number;
    json: string;
    accepted_at: number;
    status: 'pending' | 'committed' | 'rejected';
    finished_at: number | null;
    message: string | null;
  };
  leases: { host_id: string; limit_key: string; expires_at: number };
  /** Never changed, and nothing is taken from its middle. */
  audit: {
    sequence: number;
    recorded_at: number;
    event: AuditEntry['event'];
    actor: string;
    verb_id: string;
    verb: string;
    verb_at: number;
    rollout_id: string | null;
    reason: string | null;
    message: string | null;
    /** JSON objects. */
    before: string | null;
    after: string | null;
    previous_hash: string;
    hash: string;
  };
  /** Verbs that the audit log told of in entries that it has forgotten. */
  forgotten_verbs: { verb_id: string };
};

/** What tells the rows of each table apart, and orders them in an export. */
export const TABLE_KEYS: Readonly<Record<keyof Tables, readonly string[]>> = {
  meta: ['name'],
  hosts: ['id'],
  host_counts: ['variant', 'arch', 'version'],
  reports: ['host_id', 'id'],
  progress: ['rollout_id', 'host_id'],
  rollout_counts: ['rollout_id'],
  verbs: ['sequence'],
  leases: ['host_id', 'limit_key'],
  audit: ['sequence'],
  forgotten_verbs: ['verb_id'],
};
