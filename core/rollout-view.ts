import { z } from 'zod';
import { formatInstant } from './instant.ts';
import { counterSchema, ROLLOUT_STATES } from './rollout.ts';
import type { Rollout } from './rollout.ts';
import { SEED_COUNT } from './seed.ts';
import {
  clockAt,
  gateAt,
  lacksApproval,
  lacksSuccess,
  letThroughAt,
  opensFor,
  reachablePoints,
} from './tide.ts';
import { legalVerbs } from './verb.ts';

const countsSchema = z.object({
  /** Hosts of the variant and arch that run an older version and were not offered the release yet. */
  waiting: z.int(),
  offered: z.int(),
  updated: z.int(),
  failed: z.int(),
  /** Offered the release, and silent for longer than the policy allows. */
  overdue: z.int(),
  rolledBack: z.int(),
});

/** What the hosts did, as far as a server knows. */
export type RolloutCounts = z.infer<typeof countsSchema>;

const failureSchema = z.object({
  hostId: z.string(),
  at: z.string(),
  stage: z.string(),
  error: z.string().nullable(),
});

/** What operators are shown of a rollout, by the server's API and by the command line alike. */
export const rolloutViewSchema = z.object({
  id: z.string(),
  variant: z.string(),
  arch: z.string(),
  version: z.string(),
  state: z.enum(ROLLOUT_STATES),
  /** `scheduled` before the first opening, `rising`, `at-gate`, `complete`; `standing` if it does not run. */
  phase: z.enum(['scheduled', 'rising', 'at-gate', 'complete', 'standing']),
  /** How many seeds are let through; of a rollout that sends hosts back, how many are let go. */
  tide: z.object({ seeds: z.int(), of: z.int(), percent: z.number() }),
  /** The opening, counted from 0, at whose gate the tide stands, and what the gate still waits for. */
  gate: z
    .object({ opening: z.int(), waitsFor: z.array(z.enum(['approval', 'success'])) })
    .nullable(),
  /** 1, and one more for each time that failed hosts were asked to try again. */
  attempt: z.int(),
  /** When the last seed that the policy reaches is let through, if nobody intervenes. */
  completesAt: z.string().nullable(),
  sentBackTo: z.string().nullable(),
  verbs: z.array(z.string()),
  /** Null without a server: only a server hears of hosts. */
  counts: countsSchema.nullable(),
  failures: z.array(failureSchema),
  history: z.array(
    z.object({
      verb: z.string(),
      at: z.string(),
      by: z.string(),
      reason: z.string().nullable(),
      /** What was counted when the server decided by itself. */
      evidence: counterSchema.nullable(),
    }),
  ),
});

export type RolloutView = z.infer<typeof rolloutViewSchema>;

/** What the server knows of the hosts; the command line without a server knows nothing of them. */
export type HostOutcomes = Pick<RolloutView, 'counts' | 'failures'>;

export function viewOf(rollout: Rollout, now: Date, outcomes: HostOutcomes): RolloutView {
  const { release, sentBackTo } = rollout;
  const seeds = letThroughAt(rollout, now);
  const reach = reachablePoints(rollout).at(-1)?.seeds ?? 0;
  const completesAt = reach === 0 ? null : opensFor(rollout, reach - 1);
  return {
    id: rollout.id,
    variant: release.variant,
    arch: release.arch,
    version: release.version,
    state: rollout.state,
    phase: phaseOf(rollout, now),
    tide: { seeds, of: SEED_COUNT, percent: Math.round((seeds * 1000) / SEED_COUNT) / 10 },
    gate: gateViewOf(rollout, now),
    attempt: rollout.attempt,
    completesAt: completesAt === null ? null : formatInstant(completesAt),
    sentBackTo: sentBackTo?.version ?? null,
    verbs: [...legalVerbs(rollout, now)],
    ...outcomes,
    history: rollout.history.map(({ verb, at, by, reason, evidence }) => ({
      verb,
      at: formatInstant(at),
      by,
      reason,
      evidence,
    })),
  };
}

function gateViewOf(rollout: Rollout, now: Date): RolloutView['gate'] {
  const gate = gateAt(rollout, now);
  if (gate === null) return null;
  const approval = lacksApproval(rollout, gate) ? (['approval'] as const) : [];
  const success = lacksSuccess(rollout, gate) ? (['success'] as const) : [];
  return { opening: gate.index, waitsFor: [...approval, ...success] };
}

function phaseOf(rollout: Rollout, now: Date): RolloutView['phase'] {
  if (rollout.runningSince === null) return 'standing';
  if (gateAt(rollout, now) !== null) return 'at-gate';
  const points = reachablePoints(rollout);
  const clockMs = clockAt(rollout, now);
  if (clockMs < (points[0]?.atMs ?? 0)) return 'scheduled';
  return clockMs >= (points.at(-1)?.atMs ?? 0) ? 'complete' : 'rising';
}
