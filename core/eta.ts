import { HOST_RULES } from './host-rules.ts';
import type { Step } from './host-rules.ts';

/** More openings and freezes than any forecast meets; after that it is not worth a promise. */
const MAX_JUMPS = 1000;

/**
 * The first instant from `now` on at which every rule that time alone decides lets the host take the step; null if one
 * waits for a person, or never will. It assumes that nobody intervenes and that a lease is free.
 */
export function eligibleAt(step: Step, now: Date): Date | null {
  let at = now;
  for (let jump = 0; jump < MAX_JUMPS; jump += 1) {
    const next = nextInstant(step, at);
    if (next === null || next.getTime() === at.getTime()) return next;
    at = next;
  }
  return null;
}

/** No rule that holds at `at` passes before this instant; `at` itself if none holds. */
function nextInstant(step: Step, at: Date): Date | null {
  let latest = at;
  for (const rule of HOST_RULES) {
    if (rule.isUnforeseeable === true) continue;
    const verdict = rule.judge(step, at);
    if (verdict.verdict === 'pass') continue;
    if (verdict.until === null) return null;
    if (verdict.until > latest) latest = verdict.until;
  }
  return latest;
}
