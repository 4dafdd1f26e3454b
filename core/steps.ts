import { curveOf } from './curve.ts';
import type { Rollout } from './rollout.ts';
import { clockAt, closedGate, gateAt, lacksApproval } from './tide.ts';

/** What a person's step changes of a rollout. */
export type Step = Partial<Pick<Rollout, 'clockMs' | 'approvedOpenings' | 'passedOpenings'>>;

/** One step forward: through the gate it waits at, to the next opening, or to the end of the last ramp; null at the end. */
export function nextStep(rollout: Rollout, now: Date): Step | null {
  const { openings, points } = curveOf(rollout.policy);
  const clockMs = clockAt(rollout, now);
  const gate = gateAt(rollout, now);
  if (gate !== null) {
    const opened = gate.index + 1;
    return {
      clockMs,
      approvedOpenings: Math.max(opened, rollout.approvedOpenings),
      passedOpenings: Math.max(opened, rollout.passedOpenings),
    };
  }
  const ahead = [...openings, ...points.slice(-1)].find(({ atMs }) => atMs > clockMs);
  return ahead === undefined ? null : { clockMs: ahead.atMs };
}

/** A person's approval of the next opening that needs one, reached or not; null if none does. */
export function approval(rollout: Rollout, now: Date): Step | null {
  const gate = curveOf(rollout.policy).openings.find((opening) => lacksApproval(rollout, opening));
  if (gate === undefined) return null;
  return { clockMs: clockAt(rollout, now), approvedOpenings: gate.index + 1 };
}

/** The next opening that waits for outcomes is passed; null if none waits, or if it is another one. */
export function passing(rollout: Rollout, opening: number, now: Date): Step | null {
  const gate = closedGate(rollout);
  if (gate === null || gate.index !== opening || gate.success === null) return null;
  return { clockMs: clockAt(rollout, now), passedOpenings: opening + 1 };
}
