import { openRepository } from '../../adapters/repository/repository.ts';
import type { EditPlan } from '../../adapters/repository/repository.ts';
import {
  commitVerbs,
  findRelease,
  newRolloutId,
  readManifest,
  readRollouts,
} from '../../adapters/repository/rollouts.ts';
import type { Signer } from '../../adapters/signing/signer.ts';
import type { Storage } from '../../adapters/storage/storage.ts';
import { groupsWithoutHosts } from '../../core/group-view.ts';
import { rulesVersion } from '../../core/plan.ts';
import type { PlanVerb } from '../../core/plan.ts';
import type { Rollout } from '../../core/rollout.ts';
import { viewOf } from '../../core/rollout-view.ts';
import type { ExpiryPolicy } from '../../core/tuf/lifetimes.ts';
import { RolloutError } from '../../core/verb.ts';
import type { Verb } from '../../core/verb.ts';
import { readPolicy } from '../../core/wave-file.ts';
import { explain } from '../../core/why.ts';
import type { RequestIds, RolloutControl } from './control.ts';

export type RepositoryTarget = {
  readonly storage: Storage;
  /** Keys of the rollouts, snapshot and timestamp roles; none is needed only to look. */
  readonly signers: readonly Signer[];
  readonly now: () => Date;
  readonly expiry: ExpiryPolicy;
  /** Whose verbs these are, as the history tells it. */
  readonly by: string;
  readonly newRequestId: RequestIds;
  /** Told what each verb would commit; then nothing is committed. */
  readonly onPlan?: ((plan: EditPlan) => void) | undefined;
};

/** Commits verbs to the repository itself: a fleet without a server can be paused too. */
export function repositoryControl({
  storage,
  signers,
  now,
  expiry,
  by,
  newRequestId,
  onPlan,
}: RepositoryTarget): RolloutControl {
  const repository = openRepository({ storage, now, expiry });
  const view = (rollout: Rollout) => viewOf(rollout, now(), { counts: null, failures: [] });

  async function commit(verb: PlanVerb) {
    const done = await commitVerbs(repository, {
      signers,
      verbs: [verb],
      now: verb.at,
      onPlan,
    });
    const [refused] = done.rejected;
    if (refused !== undefined) throw refused.error;
    return done;
  }

  async function apply(verb: Verb) {
    const { rollouts } = await commit(verb);
    // Sent again, a start has named another rollout than the one that it once began.
    const done = rollouts.find(({ history }) => history.some(({ id }) => id === verb.id));
    return view(done ?? find(rollouts, verb.rolloutId));
  }

  async function readAll() {
    return readRollouts(repository, await repository.load());
  }

  const plan = async () => readManifest(repository, await repository.load());

  const origin = (reason: string | null) => ({ id: newRequestId(), at: now(), by, reason });

  return {
    async start({ policy, startAt, seeds, reason, ...wanted }) {
      const release = await findRelease(repository, await repository.load(), wanted);
      const from = origin(reason);
      const begins = startAt ?? from.at;
      return apply({
        ...from,
        kind: 'start',
        rolloutId: newRolloutId(),
        release,
        policy: readPolicy(policy, begins),
        startAt: begins,
        seeds,
      });
    },
    change: (kind, rolloutId, reason) => apply({ ...origin(reason), kind, rolloutId }),
    async rollBack({ rolloutId, version, policy, reason }) {
      const state = await repository.load();
      const { release } = find(await readRollouts(repository, state), rolloutId);
      const to = await findRelease(repository, state, { ...release, version });
      const from = origin(reason);
      return apply({
        ...from,
        kind: 'roll-back',
        rolloutId,
        to,
        policy: readPolicy(policy, from.at),
      });
    },
    list: async () => (await readAll()).map(view),
    show: async (rolloutId) => view(find(await readAll(), rolloutId)),
    rollBackImpact: async () => null,
    groups: async () => groupsWithoutHosts((await plan()).fleet.rules),
    fleet: async () => (await plan()).fleet,
    async applyFleet(rules, { replaces, reason }) {
      const verb = { ...origin(reason), kind: 'apply-fleet', rules } as const;
      const { fleet } = await commit({ ...verb, replaces: rulesVersion(replaces) });
      return fleet;
    },
    async why({ id, host }) {
      if (host === null) {
        throw new RolloutError('rollout/not-there', `the repository knows no host ${id}`);
      }
      const { rollouts, fleet } = await plan();
      return explain(host, { rollouts, rules: fleet.rules }, now());
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(signers.map((signer) => signer[Symbol.asyncDispose]()));
      await storage[Symbol.asyncDispose]();
    },
  };
}

function find(rollouts: readonly Rollout[], rolloutId: string): Rollout {
  const rollout = rollouts.find(({ id }) => id === rolloutId);
  if (rollout === undefined) {
    throw new RolloutError('rollout/not-there', `no rollout has the id ${rolloutId}`);
  }
  return rollout;
}
