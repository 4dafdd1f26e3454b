import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import type { ReleaseRef } from '../core/rollout.ts';
import { seedOfHost } from '../core/seed.ts';
import type { SimulationOptions } from '../core/simulation.ts';
import { applyVerb } from '../core/verb.ts';
import type { Policy } from '../core/wave.ts';

/** What all simulated hosts run at the beginning, unless the policy sends them back somewhere else. */
const OLDER = '1.0.0';
const NEWER = '2.0.0';

/** A rollout of this policy to so many hosts that run an older release, with seeds as hosts have them. */
export function simulatedFleet({
  policy,
  hosts,
  startAt,
}: {
  readonly policy: Policy;
  readonly hosts: number;
  readonly startAt: Date;
}): Pick<SimulationOptions, 'rollout' | 'hosts' | 'wayBack'> {
  const older = policy.halt?.rollBackTo ?? null;
  const [rollout] = applyVerb([], {
    ...{ kind: 'start', id: 'start', rolloutId: 'simulated', at: startAt, startAt },
    ...{ by: 'operator', reason: null, seeds: 'stable', policy },
    release: releaseOf(NEWER, older === null ? [] : [older]),
  });
  if (rollout === undefined) throw new Error('a start makes a rollout');
  return {
    rollout,
    hosts: Array.from({ length: hosts }, (_, index) => {
      const id = `host-${index}`;
      return { id, seed: seedOfHost(id), version: OLDER };
    }),
    wayBack: older === null ? null : releaseOf(older, []),
  };
}

/** Numbers 0 <= n < 1, the same ones for the same seed. */
export function numbersFrom(seed: number): () => number {
  const generator = xoroshiro128plus(seed);
  return () => uniformFloat64(generator);
}

function releaseOf(version: string, rollbackTo: readonly string[]): ReleaseRef {
  return {
    ...{ variant: 'simulated', arch: 'x86_64', version, document: `${version}-release.json` },
    ...{ images: {}, minimumFrom: null, rollbackTo, migrations: [] },
  };
}
