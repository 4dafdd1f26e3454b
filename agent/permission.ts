import type { Plan } from '../core/plan.ts';
import { decide, offerOf } from '../core/decide.ts';
import type { Decision, Host } from '../core/decide.ts';
import type { Release } from '../core/release.ts';
import { compareVersions } from '../core/version.ts';
import { AgentError } from './errors.ts';

/** What a server said: a hint which of the signed rollouts the host shall follow. */
export type Hint = {
  readonly rolloutId: string;
  readonly version: string;
  readonly direction: 'forward' | 'rollback';
};

/** The decision on the signed manifest: of the hinted rollout alone, or of all without a hint. */
export function decisionFor(
  host: Host,
  { rollouts, fleet }: Plan,
  { hint, now }: { readonly hint: Hint | null; readonly now: Date },
): Decision | null {
  const judgement = { rollouts, rules: fleet.rules };
  if (hint === null) return decide(host, judgement, now);
  return offerOf(hint.rolloutId, host, judgement, now);
}

/**
 * Whether signed release documents let a host that runs `running` go to `next`. The rollouts key cannot grant more than
 * release keys did: forward past a barrier is refused, and back is possible only where the running release names it.
 */
export function requirePermission(
  running: Release,
  next: Release,
  direction: 'forward' | 'rollback',
): void {
  if (next.variant !== running.variant || next.arch !== running.arch) {
    throw refused(running, next, `it is for ${next.variant} ${next.arch}`);
  }
  if (next.withdrawn !== undefined) throw refused(running, next, 'it was withdrawn');
  const order = compareVersions(next.version, running.version);
  if (order > 0 !== (direction === 'forward')) {
    throw refused(running, next, `that is not ${direction}`);
  }
  if (order > 0) {
    const { minimumFrom } = next;
    if (minimumFrom === null || compareVersions(running.version, minimumFrom) >= 0) return;
    throw refused(running, next, `it takes hosts from ${minimumFrom} on`);
  }
  if (order < 0 && running.rollbackTo.includes(next.version)) return;
  const named = running.rollbackTo.length === 0 ? 'none' : running.rollbackTo.join(', ');
  throw refused(running, next, `the running release lets hosts go back to ${named}`);
}

function refused(running: Release, next: Release, why: string): AgentError {
  return new AgentError(
    'agent/not-permitted',
    `going from ${running.version} to ${next.version} is not permitted: ${why}`,
  );
}
