import * as z from 'zod';
import { seedsIn } from './curve.ts';
import { decide, stepsOf } from './decide.ts';
import type { Host, Judgement } from './decide.ts';
import { formatDuration } from './duration.ts';
import { eligibleAt } from './eta.ts';
import { freezesAt } from './fleet/calendar.ts';
import { ceilingOf, limitsIn } from './fleet/limit.ts';
import { groupOf } from './fleet/rules.ts';
import { isInRange } from './fleet/version-range.ts';
import { HOST_RULES, seedIn } from './host-rules.ts';
import type { HostRule, Step } from './host-rules.ts';
import { formatInstant } from './instant.ts';
import { SEED_COUNT } from './seed.ts';
import { ebbAt, tideAt } from './tide.ts';

const ruleSchema = z.object({
  rule: z.string(),
  verdict: z.enum(['pass', 'hold']),
  /** The reason of the answer, if this is the first rule that holds. */
  reason: z.string().nullable(),
  /** The first instant at which this rule passes if nobody intervenes. */
  until: z.string().nullable(),
  /** What the rule looks at, for people. */
  detail: z.string(),
});

const stepSchema = z.object({
  rolloutId: z.string(),
  direction: z.enum(['forward', 'rollback']),
  version: z.string(),
  rules: z.array(ruleSchema),
  heldBy: z.string().nullable(),
  /** Null on a way back. `wave` counts from 1; null if the policy ends below the seed. */
  position: z
    .object({ seed: z.int(), of: z.int(), tide: z.int(), wave: z.int().nullable(), waves: z.int() })
    .nullable(),
  eligibleAt: z.string().nullable(),
  assumes: z.array(z.string()),
});

/** Body of `GET /api/v1/hosts/{id}/why`. */
export const whySchema = z.object({
  host: z.string(),
  version: z.string(),
  group: z.string().nullable(),
  decision: z.string(),
  reason: z.string().nullable(),
  steps: z.array(stepSchema),
});

/** Why a host is told what it is told: every rule, in the order in which `decide` asks them. */
export type Why = z.infer<typeof whySchema>;

export function explain(host: Host, judgement: Judgement, now: Date): Why {
  const decision = decide(host, judgement, now);
  return {
    host: host.id,
    version: host.version,
    group: groupOf(host, judgement.rules)?.name ?? null,
    decision:
      decision.decision === 'update'
        ? `${decision.direction} to ${decision.release.version}`
        : 'stay',
    reason: decision.decision === 'stay' ? decision.reason : null,
    steps: stepsOf(host, judgement, now).map((step) => explainStep(step, now)),
  };
}

function explainStep(step: Step, now: Date): Why['steps'][number] {
  const rules = HOST_RULES.map((rule) => explainRule(rule, step, now));
  const at = eligibleAt(step, now);
  return {
    rolloutId: step.rollout.id,
    direction: step.direction,
    version: step.release.version,
    rules,
    heldBy: rules.find(({ verdict }) => verdict === 'hold')?.rule ?? null,
    position: step.direction === 'forward' ? positionOf(step, now) : null,
    eligibleAt: at === null ? null : formatInstant(at),
    assumes: at === null ? [] : assumptions(step),
  };
}

function explainRule({ name, judge }: HostRule, step: Step, now: Date) {
  const verdict = judge(step, now);
  const detail = detailOf(name, step, now);
  if (verdict.verdict === 'pass') {
    return { rule: name, verdict: 'pass' as const, reason: null, until: null, detail };
  }
  const { reason, until } = verdict;
  return {
    rule: name,
    verdict: 'hold' as const,
    reason,
    until: until === null ? null : formatInstant(until),
    detail,
  };
}

function positionOf({ rollout, host }: Step, now: Date) {
  const { waves } = rollout.policy;
  const seed = seedIn(rollout, host);
  const index = waves.findIndex(({ percentage }) => seedsIn(percentage) > seed);
  return {
    seed,
    of: SEED_COUNT,
    tide: tideAt(rollout, now),
    wave: index < 0 ? null : index + 1,
    waves: waves.length,
  };
}

function assumptions({ rollout, host, group }: Step): string[] {
  const hasLimits = group !== null && limitsIn(group, host).length > 0;
  return [
    `nobody pauses, advances, withdraws or rolls back ${rollout.id}`,
    'nobody applies other rules of the fleet',
    ...(hasLimits ? ['a lease is free then'] : []),
  ];
}

function detailOf(rule: HostRule['name'], step: Step, now: Date): string {
  const { host, group, rollout, release, fleet, direction } = step;
  switch (rule) {
    case 'exclude':
      return fleet.excludes.get(host.id) ?? 'not excluded';
    case 'dead-end': {
      const end = fleet.deadEnds.find(({ versions }) =>
        [host.version, release.version].some((version) => isInRange(version, versions)),
      );
      return end === undefined ? 'no dead end' : `${end.versions.text}: ${end.reason}`;
    }
    case 'barrier':
      return release.minimumFrom === null
        ? 'taken from every version'
        : `${release.version} is taken from ${release.minimumFrom} on`;
    case 'lock':
      return lockText(step);
    case 'state':
      return `rollout ${rollout.id} is ${rollout.state}`;
    case 'tide':
      return direction === 'rollback' ? ebbText(step, now) : tideText(step, now);
    case 'freeze': {
      const { reason } = freezesAt(fleet.freezes, group?.name ?? null, now);
      return reason ?? 'no freeze';
    }
    case 'window':
      return windowText(step);
    case 'failure':
      return failureText(step);
    case 'concurrency':
      return concurrencyText(step);
  }
}

function failureText({ host: { failed }, rollout, release }: Step): string {
  const failure = failed?.find(({ version }) => version === release.version);
  return failure === undefined
    ? 'did not fail on the host last'
    : `failed in attempt ${failure.attempt} of ${rollout.attempt}`;
}

function lockText({ host, group, fleet }: Step): string {
  const pin = fleet.pins.get(host.id);
  if (pin !== undefined) return `pinned to ${pin}`;
  const range = group?.versions ?? null;
  return range === null ? 'any version' : `group ${group?.name} takes ${range.text}`;
}

function ebbText({ rollout, host }: Step, now: Date): string {
  return `seed ${seedIn(rollout, host)}, ${ebbAt(rollout, now)} of ${SEED_COUNT} are let go`;
}

function tideText({ rollout, host, group }: Step, now: Date): string {
  const place = `seed ${seedIn(rollout, host)}, tide ${tideAt(rollout, now)} of ${SEED_COUNT}`;
  const delay =
    group === null || group.delayMs === 0 ? '' : `, ${formatDuration(group.delayMs)} later`;
  return group?.isFirst === true ? `${place}, canary${delay}` : `${place}${delay}`;
}

function windowText({ group }: Step): string {
  const zones = (group?.windows ?? []).map(
    ({ from, to, timeZone }) => `${from} to ${to} ${timeZone}`,
  );
  return zones.length === 0 ? 'open at all times' : zones.join('; ');
}

function concurrencyText({ group, host, leases }: Step): string {
  const limits = group === null ? [] : limitsIn(group, host);
  if (limits.length === 0) return 'no limit';
  return limits
    .map(({ key, limit }) => {
      const count = leases(key);
      const bound = limit.kind === 'count' ? `${limit.count}` : `${limit.percent} %`;
      if (count === null) return `${key}: ${bound}, not counted here`;
      const { inUse, members } = count;
      const share = limit.kind === 'count' ? '' : `, ${bound} of ${members} hosts`;
      return `${key}: ${inUse} of ${ceilingOf(limit, members)}${share}`;
    })
    .join('; ');
}
