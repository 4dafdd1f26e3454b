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
