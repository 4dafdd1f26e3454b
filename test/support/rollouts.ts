import fc from 'fast-check';
import { EMPTY_PLAN } from '../../core/plan.ts';
import type { Plan } from '../../core/plan.ts';
import type { ReleaseRef, Rollout } from '../../core/rollout.ts';
import { applyVerb } from '../../core/verb.ts';
import type { SimpleVerb, Verb } from '../../core/verb.ts';
import { EVERYONE_AT_ONCE } from '../../core/wave.ts';
import type { Gate, Policy } from '../../core/wave.ts';

export const START = new Date('2026-03-01T12:00:00Z');
export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;

export function after(ms: number, from: Date = START): Date {
  return new Date(from.getTime() + ms);
}

export function releaseOf(version: string, change: Partial<ReleaseRef> = {}): ReleaseRef {
  const prefix = `aws-k8s-1.32-x86_64-${version}`;
  return {
    variant: 'aws-k8s-1.32',
    arch: 'x86_64',
    version,
    document: `${prefix}-release.json`,
    images: { boot: `${prefix}-boot.lz4`, root: `${prefix}-root.lz4`, hash: `${prefix}-hash.lz4` },
    minimumFrom: null,
    rollbackTo: [],
    migrations: [],
    ...change,
  };
}

/** A plan without rules of the fleet. */
export function planOf(rollouts: readonly Rollout[]): Plan {
  return { ...EMPTY_PLAN, rollouts };
}

type StartChange = Partial<Extract<Verb, { kind: 'start' }>>;

export function startVerb(release: ReleaseRef, change: StartChange = {}): Verb {
  return {
    kind: 'start',
    id: `start-${release.version}`,
    at: START,
    by: 'operator',
    reason: null,
    rolloutId: `rollout-${release.version}`,
    release,
    policy: EVERYONE_AT_ONCE,
    startAt: START,
    seeds: 'stable',
    ...change,
  };
}

/** A rollout as `start` makes it. */
export function startedRollout(release: ReleaseRef, change: StartChange = {}): Rollout {
  const [rollout] = applyVerb([], startVerb(release, change));
  if (rollout === undefined) throw new Error('start made no rollout');
  return rollout;
}

let verbCount = 0;
export function verbOf(kind: SimpleVerb, rollout: Rollout, at: Date): Verb {
  verbCount += 1;
  return {
    kind,
    id: `verb-${verbCount}`,
    at,
    by: 'operator',
    reason: 'test',
    rolloutId: rollout.id,
  };
}

export function rollBackVerb(
  rollout: Rollout,
  to: ReleaseRef,
  at: Date,
  policy: Policy = EVERYONE_AT_ONCE,
): Verb {
  verbCount += 1;
  return {
    kind: 'roll-back',
    id: `verb-${verbCount}`,
    at,
    by: 'operator',
    reason: 'test',
    rolloutId: rollout.id,
    to,
    policy,
  };
}

/** The one rollout after the verbs. */
export function rolloutAfter(rollout: Rollout, ...verbs: readonly Verb[]): Rollout {
  const [last] = verbs.reduce<readonly Rollout[]>((all, verb) => applyVerb(all, verb), [rollout]);
  if (last === undefined) throw new Error('no rollout is left');
  return last;
}

/** Bottlerocket's default-waves.toml. */
export const DEFAULT_WAVES: Policy = policyOf([
  [HOUR_MS, 1],
  [4 * HOUR_MS, 5],
  [DAY_MS, 15],
  [2 * DAY_MS, 40],
  [4 * DAY_MS, 60],
  [5 * DAY_MS, 90],
  [6 * DAY_MS, 100],
]);

export function policyOf(waves: readonly (readonly [number, number, Gate?])[]): Policy {
  return {
    waves: waves.map(([opensAtMs, percentage, gate]) => ({
      opensAtMs,
      percentage,
      gate: gate ?? null,
      rampMs: 0,
    })),
    halt: null,
    outcomeWithinMs: null,
  };
}

/** A gate with these conditions and no others. */
export function gateOf(conditions: Partial<Gate>): Gate {
  return { soakMs: 0, success: null, needsApproval: false, ...conditions };
}

const gates: fc.Arbitrary<Gate | null> = fc.oneof(
  { weight: 4, arbitrary: fc.constant(null) },
  {
    weight: 2,
    arbitrary: fc.record({
      soakMs: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: DAY_MS })),
      success: fc.option(
        fc.record({
          percentage: fc.integer({ min: 1, max: 100 }),
          minimum: fc.integer({ min: 1, max: 1000 }),
        }),
      ),
      needsApproval: fc.boolean(),
    }),
  },
);

/** Any policy that a wave file can hold: 1 to 8 waves up to some weeks, with gates and a last ramp. */
export function policies(
  options: { readonly gates: boolean } = { gates: true },
): fc.Arbitrary<Policy> {
  const wave = fc.record({
    gapMs: fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 7 * DAY_MS })),
    rise: fc.integer({ min: 1, max: 40 }),
    gate: options.gates ? gates : fc.constant(null),
  });
  const last = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: DAY_MS }));
  return fc
    .tuple(fc.array(wave, { minLength: 1, maxLength: 8 }), last, fc.boolean())
    .map(([steps, rampMs, beginsAtOnce]) => {
      let opensAtMs = beginsAtOnce ? -(steps[0]?.gapMs ?? 0) : 0;
      let percentage = 0;
      const waves = steps.flatMap(({ gapMs, rise, gate }) => {
        opensAtMs += gapMs;
        const reached = Math.min(100, percentage + rise);
        if (reached === percentage) return [];
        percentage = reached;
        return [{ opensAtMs, percentage, gate, rampMs: 0 }];
      });
      return {
        waves: waves.map((w, i) => (i === waves.length - 1 ? { ...w, rampMs } : w)),
        halt: null,
        outcomeWithinMs: null,
      };
    });
}
