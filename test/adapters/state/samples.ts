import type { AuditRecord } from '../../../core/audit.ts';
import { formatInstant } from '../../../core/instant.ts';
import type { HostReport, HostSeen, RolloutCounts } from '../../../adapters/state/state.ts';

const T0 = Date.parse('2025-08-25T18:00:00Z');

export function at(ms: number): Date {
  return new Date(T0 + ms);
}

export function host(id: string, change: Partial<HostSeen> = {}): HostSeen {
  return {
    id,
    variant: 'aws-k8s-1.32',
    arch: 'x86_64',
    version: '1.0.0',
    seed: 7,
    group: null,
    labels: {},
    state: 'idle',
    seenAt: at(0),
    ...change,
  };
}

export function report(id: string, change: Partial<HostReport> = {}): HostReport {
  return {
    id,
    rolloutId: 'r1',
    from: '1.0.0',
    to: '1.1.0',
    outcome: 'updated',
    stage: 'confirm',
    error: null,
    at: at(0),
    ...change,
  };
}

export const KIND = { variant: 'aws-k8s-1.32', arch: 'x86_64' };

/** Counts that are zero but for these. */
/** Without events of their own, each host came to where it stands in one step. */
export function counts(some: Partial<RolloutCounts>): RolloutCounts {
  const { updated = 0, failed = 0, overdue = 0 } = some;
  return {
    ...{ offered: 0, updated, failed, overdue, rolledBack: 0 },
    ...{ successes: updated, failures: failed + overdue },
    ...some,
  };
}

/** What the audit log says of a verb that was accepted. */
export function record(verbId: string, change: Partial<AuditRecord> = {}): AuditRecord {
  return {
    at: formatInstant(at(0)),
    event: 'accepted',
    actor: 'operator',
    verbId,
    verb: 'pause',
    verbAt: formatInstant(at(0)),
    rolloutId: 'r1',
    reason: 'boot failures',
    message: null,
    before: { state: 'running', clockMs: 5 },
    after: { state: 'paused', clockMs: 9 },
    ...change,
  };
}
