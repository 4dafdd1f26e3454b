import { describe, expect, it } from '@jest/globals';
import { commitVerbs, findRelease } from '../../../adapters/repository/rollouts.ts';
import { amend } from '../../../repo-tools/amend.ts';
import { withdraw } from '../../../repo-tools/withdraw.ts';
import { PLATFORM } from '../../support/example-repository.ts';
import { hostWorld } from '../../support/host-world.ts';
import { startVerb } from '../../support/rollouts.ts';

/** A verb that was made before somebody else changed the release that it names. */
async function setup() {
  const world = await hostWorld();
  const { repository, signers, now } = world;
  const state = await repository.load();
  const verb = startVerb(await findRelease(repository, state, { ...PLATFORM, version: '1.1.0' }));
  const mode = { kind: 'commit', signers: [signers.release, signers.online] } as const;
  return {
    world,
    verb,
    order: { ...PLATFORM, version: '1.1.0', reason: 'test', by: 'test' },
    options: { repository, mode, now },
    commit: () => commitVerbs(repository, { signers: [signers.online], verbs: [verb], now }),
  };
}

describe('commitVerbs', () => {
  it('starts a rollout on the terms that were amended after the verb was made', async () => {
    const { world, order, options, commit } = await setup();
    await using _ = world;
    await amend({ ...order, terms: { rollbackTo: [], minimumFrom: '1.0.0' } }, options);
    const { rollouts } = await commit();
    expect(rollouts).toMatchObject([{ release: { rollbackTo: [], minimumFrom: '1.0.0' } }]);
  });

  it('rejects to start a release that was withdrawn after the verb was made', async () => {
    const { world, order, options, commit, verb } = await setup();
    await using _ = world;
    await withdraw({ ...order, allowDanglingRollback: false }, options);
    const { rollouts, rejected } = await commit();
    expect(rollouts).toEqual([]);
    expect(rejected).toMatchObject([{ verb, error: { code: 'rollout/not-permitted' } }]);
  });

  it('applies a verb twice as once', async () => {
    const { world, commit } = await setup();
    await using _ = world;
    const first = await commit();
    const second = await commit();
    expect(second).toMatchObject({ rollouts: first.rollouts, rejected: [] });
  });
});
