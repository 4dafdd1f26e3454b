import { describe, expect, it } from '@jest/globals';
import { NO_TRUST_CHANGE } from '../../adapters/repository/draft-proposal.ts';
import type { TrustChange } from '../../adapters/repository/draft-proposal.ts';
import { readObject, TIMESTAMP_OBJECT } from '../../adapters/repository/objects.ts';
import type { Signer } from '../../adapters/signing/signer.ts';
import { runCycle } from '../../agent/cycle.ts';
import { provision } from '../../agent/provision.ts';
import { rolesNamed } from '../../repo-tools/ceremony/options.ts';
import { rotation } from '../../repo-tools/ceremony/rotation.ts';
import { changeTrust } from '../support/change-trust.ts';
import { RELEASES } from '../support/example-repository.ts';
import { fastForward, FORGED_VERSION } from '../support/fast-forward.ts';
import { hostWorld, sendTo } from '../support/host-world.ts';
import type { HostWorld } from '../support/host-world.ts';
import { seededSigner } from '../support/seeded-signer.ts';

/** A host on 1.0.0 that has seen the repository as it is. */
async function setup(): Promise<HostWorld> {
  const world = await hostWorld();
  await provision(await world.agent(), '1.0.0');
  return world;
}

async function once(world: HostWorld) {
  return runCycle(await world.agent());
}

/** Gives a role (or `online`) one key in place of all that it has. Everybody signs. */
async function rotate(
  world: HostWorld,
  role: string,
  { key, more = {} }: { readonly key: Signer; readonly more?: Partial<TrustChange> },
): Promise<void> {
  const { storage, now, signers, newSigners } = world;
  newSigners.push(key);
  await changeTrust(
    { storage, now, signers: [...Object.values(signers), ...newSigners] },
    (state) => ({
      ...NO_TRUST_CHANGE,
      keys: rotation(state, rolesNamed(role), { keys: [key.key], threshold: 1 }),
      ...more,
    }),
  );
}

/** Publishes and rolls out what did not exist before, and lets the host look. */
async function update(world: HostWorld, version: string): Promise<unknown> {
  await world.publish(version);
  await world.start(version);
  world.answer = sendTo(version);
  return once(world);
}

/** Skips all online roles ahead, and sends the host to a release that is not there, so that it looks at them. */
async function see(world: HostWorld, absent: string): Promise<void> {
  await fastForward(world.storage, world.signers.online);
  world.answer = sendTo(absent);
  await once(world);
  expect(world.requests).toContain(`/repo/metadata/${FORGED_VERSION}.snapshot.json`);
  expect(await world.activeVersion()).toBe('1.0.0');
}

describe('a host', () => {
  it.each(['root', 'targets', 'snapshot', 'timestamp', 'rollouts', 'online', RELEASES])(
    'updates after the rotation of %s, and after the next one',
    async (role) => {
      await using world = await setup();
      await rotate(world, role, { key: await seededSigner('second') });
      expect(await update(world, '1.2.0')).toMatchObject({ result: 'updated', to: '1.2.0' });
      await rotate(world, role, { key: await seededSigner('third') });
      expect(await update(world, '1.3.0')).toMatchObject({
        ...{ result: 'updated', from: '1.2.0', to: '1.3.0' },
      });
      expect(await world.activeVersion()).toBe('1.3.0');
    },
  );

  it('updates after it slept through the rotation of every role', async () => {
    await using world = await setup();
    for (const role of ['root', 'targets', 'online', RELEASES]) {
      await rotate(world, role, { key: await seededSigner(`new ${role}`) });
    }
    expect(await update(world, '1.2.0')).toMatchObject({ result: 'updated', to: '1.2.0' });
  });

  it('believes no lower version once a thief of the online key has skipped to 2^31', async () => {
    await using world = await setup();
    await world.start('1.1.0');
    const honest = (await readObject(world.storage, TIMESTAMP_OBJECT, 100_000)).bytes;
    await see(world, '9.9.9');
    world.tamper = (path) =>
      path.endsWith('/timestamp.json') ? { status: 200, body: honest } : null;
    world.answer = sendTo('1.1.0');
    expect(await once(world)).toMatchObject({
      ...{ result: 'failed', reason: expect.stringContaining('rollback') },
    });
    expect(await world.activeVersion()).toBe('1.0.0');
  });

  it('updates after recover although it had seen version 2^31', async () => {
    await using world = await setup();
    await see(world, '9.9.9');
    const key = await seededSigner('new online');
    const restart = ['snapshot', 'timestamp', 'rollouts'];
    await rotate(world, 'online', { key, more: { restart } });
    const { timestamp, snapshot } = await world.repository.load();
    expect(timestamp.version).toBe(1);
    expect(snapshot.version).toBeLessThan(FORGED_VERSION);
    expect(snapshot.meta['rollouts.json']?.version).toBeLessThan(FORGED_VERSION);
    expect(await update(world, '1.2.0')).toMatchObject({ result: 'updated', to: '1.2.0' });
  });
});
