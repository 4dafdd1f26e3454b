import { describe, expect, it } from '@jest/globals';
import { NO_TRUST_CHANGE } from '../../adapters/repository/draft-proposal.ts';
import type { Signer } from '../../adapters/signing/signer.ts';
import { runCycle } from '../../agent/cycle.ts';
import { provision } from '../../agent/provision.ts';
import { rotation } from '../../repo-tools/ceremony/rotation.ts';
import { changeTrust } from '../support/change-trust.ts';
import type { ExampleSigners } from '../support/example-repository.ts';
import { hostWorld, sendTo } from '../support/host-world.ts';
import type { HostWorld } from '../support/host-world.ts';
import { EVIL, publishEvil } from '../support/key-thief.ts';
import { seededSigner } from '../support/seeded-signer.ts';

type Key = keyof ExampleSigners | 'metal';

/** A host on 1.0.0; each top-level role, the rollouts and either variant have keys of their own. */
async function setup(): Promise<{ world: HostWorld; keys: Readonly<Record<Key, Signer>> }> {
  const world = await hostWorld();
  const metal = await seededSigner('metal');
  const { storage, now, signers } = world;
  await changeTrust({ storage, now, signers: [...Object.values(signers), metal] }, (state) => ({
    ...NO_TRUST_CHANGE,
    keys: rotation(state, ['releases-metal-dev-x86_64'], { keys: [metal.key], threshold: 1 }),
  }));
  await provision(await world.agent(), '1.0.0');
  return { world, keys: { ...signers, metal } };
}

/** SECURITY.md, "What a stolen key can do", with the storage's credentials in every row. */
const MATRIX: readonly {
  readonly stolen: readonly Key[];
  readonly runs: 'what was signed' | 'anything';
}[] = [
  { stolen: [], runs: 'what was signed' },
  { stolen: ['root1'], runs: 'what was signed' },
  { stolen: ['root1', 'online'], runs: 'what was signed' },
  { stolen: ['root1', 'root3'], runs: 'anything' },
  { stolen: ['targets'], runs: 'what was signed' },
  { stolen: ['targets', 'online'], runs: 'anything' },
  { stolen: ['release'], runs: 'what was signed' },
  { stolen: ['release', 'targets', 'root2'], runs: 'what was signed' },
  { stolen: ['release', 'online'], runs: 'anything' },
  { stolen: ['metal', 'online'], runs: 'what was signed' },
  { stolen: ['online'], runs: 'what was signed' },
];

const rows = MATRIX.flatMap((row) =>
  ['careful', 'brazen'].map((thief) => ({
    ...row,
    thief,
    names: row.stolen.join(' and ') || 'none',
  })),
);

describe('a thief with the storage, the server and', () => {
  it.each(rows.filter(({ runs }) => runs === 'what was signed'))(
    'the keys [$names], $thief, cannot have a host run what no release key of its variant signed',
    async ({ stolen, thief }) => {
      const { world, keys } = await setup();
      await using _ = world;
      await publishEvil(world.storage, await world.repository.load(), {
        stolen: stolen.map((name) => keys[name]),
        thief: await seededSigner('thief'),
        isBrazen: thief === 'brazen',
      });
      world.answer = sendTo(EVIL, { rolloutId: `rollout-${EVIL}` });
      const { result } = await runCycle(await world.agent());
      expect(['refused', 'failed']).toContain(result);
      await expect(world.activeVersion()).resolves.toBe('1.0.0');
      expect((await (await world.agent()).slots.read()).inactive).toBeNull();
    },
  );

  // What the rows above would show if nobody looked: the thief of these tests is able.
  it.each(rows.filter(({ runs, thief }) => runs === 'anything' && thief === 'careful'))(
    'the keys [$names] can, as SECURITY.md says',
    async ({ stolen }) => {
      const { world, keys } = await setup();
      await using _ = world;
      await publishEvil(world.storage, await world.repository.load(), {
        stolen: stolen.map((name) => keys[name]),
        thief: await seededSigner('thief'),
        isBrazen: false,
      });
      world.answer = sendTo(EVIL, { rolloutId: `rollout-${EVIL}` });
      await expect(runCycle(await world.agent())).resolves.toMatchObject({ result: 'updated' });
      await expect(world.activeVersion()).resolves.toBe(EVIL);
    },
  );
});
