import { reasonOf } from '../core/judge.ts';
import type { Judgement } from '../core/judge.ts';
import type { Counters, Rollout } from '../core/rollout.ts';
import type { Verb } from '../core/verb.ts';
import { EVERYONE_AT_ONCE } from '../core/wave.ts';
import type { RepositoryLink } from './repository-link.ts';

/** Whom the history names for what no person did. */
const SERVER = 'server';

/** The verb that a judgement asks for. Throws PublishedError if the release to go back to is not there. */
export async function ownVerb(
  rollout: Rollout,
  { judgement, evidence }: { readonly judgement: Judgement; readonly evidence: Counters },
  { link, now }: { readonly link: Pick<RepositoryLink, 'findRelease'>; readonly now: () => Date },
): Promise<Verb> {
  const { id: rolloutId, release, history } = rollout;
  const { kind } = judgement;
  const origin = {
    // Whoever judges the same rollout makes the same verb.
    id: `${rolloutId}-${kind}-${history.length}`,
    ...{ at: now(), by: SERVER, rolloutId, reason: reasonOf(rollout, judgement, evidence) },
  };
  switch (kind) {
    case 'halt':
      return { ...origin, kind, evidence };
    case 'pass-gate':
      return { ...origin, kind, opening: judgement.opening, evidence };
    case 'roll-back': {
      const to = await link.findRelease({ ...release, version: judgement.to });
      return { ...origin, kind, to, policy: EVERYONE_AT_ONCE };
    }
  }
}
