import { describe, expect, it } from '@jest/globals';
import { runCycle } from '../../agent/cycle.ts';
import { provision } from '../../agent/provision.ts';
import { hostWorld, sendTo } from '../support/host-world.ts';
import type { HostWorld } from '../support/host-world.ts';
import { HOUR_MS, policyOf, rollBackVerb } from '../support/rollouts.ts';

/** A host on `version`; the inactive slot was never written. */
async function hostOn(version: string): Promise<HostWorld> {
  const world = await hostWorld();
  await provision(await world.agent(), version);
  world.requests.length = 0;
  return world;
}

/** The host stays where it is, no image was asked for, the empty slot is still empty, and it says why. */
async function expectUntouched(world: HostWorld, version: string): Promise<void> {
  const context = await world.agent();
  const result = await runCycle(context);
  expect(result).toMatchObject({ result: 'refused', from: version, bytesFetched: 0 });
  expect(result.reason).not.toBeNull();
  await expect(world.activeVersion()).resolves.toBe(version);
  expect(world.imageRequests).toEqual([]);
  expect((await context.slots.read()).inactive).toBeNull();
  expect(world.events.map(({ event }) => event)).toContain('refused');
  expect(await context.journal.readLastPoll()).toMatchObject({ result: 'refused' });
}

describe('a hostile server', () => {
  it('cannot send a host to a version that nobody signed', async () => {
    await using world = await hostOn('1.0.0');
    await world.start('1.1.0');
    world.answer = sendTo('6.6.6', { rolloutId: 'rollout-1.1.0' });
    await expectUntouched(world, '1.0.0');
  });

  it('cannot name a rollout that the manifest does not hold', async () => {
    await using world = await hostOn('1.0.0');
    world.answer = sendTo('1.1.0');
    await expectUntouched(world, '1.0.0');
  });

  it('cannot send a host back by calling it forward', async () => {
    await using world = await hostOn('1.1.0');
    await world.start('1.0.0');
    world.answer = sendTo('1.0.0');
    await expectUntouched(world, '1.1.0');
  });

  it('cannot send a host back although nothing was rolled back', async () => {
    await using world = await hostOn('1.1.0');
    await world.start('1.0.0');
    await world.start('1.1.0');
    world.answer = sendTo('1.0.0', { rolloutId: 'rollout-1.1.0', direction: 'rollback' });
    await expectUntouched(world, '1.1.0');
  });

  it.each(['pause', 'withdraw'] as const)('cannot undo a signed %s', async (verb) => {
    await using world = await hostOn('1.0.0');
    await world.change(verb, await world.start('1.1.0'));
    world.answer = sendTo('1.1.0');
    await expectUntouched(world, '1.0.0');
  });

  it('cannot open a wave early', async () => {
    await using world = await hostOn('1.0.0');
    await world.start('1.1.0', {
      policy: policyOf([
        [HOUR_MS, 1],
        [2 * HOUR_MS, 100],
      ]),
    });
    world.answer = sendTo('1.1.0');
    await expectUntouched(world, '1.0.0');
  });

  it('cannot give a host the release of another variant', async () => {
    await using world = await hostOn('1.0.0');
    await world.publish('3.0.0', { variant: 'metal-dev' });
    world.answer = () => ({
      decision: 'update',
      release: { version: '3.0.0', document: 'metal-dev-x86_64-3.0.0-release.json' },
      rolloutId: 'rollout-3.0.0',
      direction: 'forward',
      nextCheckInSeconds: 1,
    });
    await expectUntouched(world, '1.0.0');
  });

  it.each([
    { case: 'no JSON', body: '<html>' },
    { case: 'another shape', body: '{"decision":"obey"}' },
    { case: 'a megabyte', body: ' '.repeat(1 << 20) },
  ])('gets nowhere with $case', async ({ body }) => {
    await using world = await hostOn('1.0.0');
    await world.start('1.1.0');
    world.tamper = (path) => (path.startsWith('/api/') ? { status: 200, body } : null);
    await expect(runCycle(await world.agent())).resolves.toMatchObject({ result: 'failed' });
    await expect(world.activeVersion()).resolves.toBe('1.0.0');
  });
});

describe('a thief of all online keys', () => {
  /** The manifest that the thief signs: a rollout as the tools would make it, but for what is changed. */
  async function steal(world: HostWorld, version: string, change: object): Promise<void> {
    const rollout = await world.start(version);
    const json: unknown = JSON.parse(JSON.stringify(rollout));
    const forged = typeof json === 'object' ? { ...json, ...change } : {};
    await world.signManifest({ updates: [], migrations: {}, rollouts: [forged] });
  }

  it('cannot send a host back to what its release does not permit', async () => {
    await using world = await hostWorld();
    await world.publish('1.2.0');
    await provision(await world.agent(), '1.2.0');
    world.requests.length = 0;
    const rollout = await world.start('1.2.0');
    const { release } = await world.start('1.1.0');
    const permitting = { ...rollout.release, rollbackTo: ['1.1.0'] };
    await steal(world, '1.0.0', {
      ...{ id: rollout.id, release: permitting, state: 'rolled-back' },
      sentBackTo: release,
    });
    world.answer = sendTo('1.1.0', { rolloutId: rollout.id, direction: 'rollback' });
    await expectUntouched(world, '1.2.0');
  });

  it('cannot dress an older release up as a newer one', async () => {
    await using world = await hostOn('1.1.0');
    const rollout = await world.start('1.0.0');
    await world.signManifest({
      ...{ updates: [], migrations: {} },
      rollouts: [
        {
          ...JSON.parse(JSON.stringify(rollout)),
          release: { ...rollout.release, version: '9.0.0' },
        },
      ],
    });
    world.answer = sendTo('9.0.0', { rolloutId: rollout.id });
    const context = await world.agent();
    await expect(runCycle(context)).resolves.toMatchObject({ result: 'failed', bytesFetched: 0 });
    await expect(world.activeVersion()).resolves.toBe('1.1.0');
    expect(world.imageRequests).toEqual([]);
  });

  it("cannot give a host another variant's release under its own variant's name", async () => {
    await using world = await hostOn('1.0.0');
    await world.publish('3.0.0', { variant: 'metal-dev' });
    const rollout = await world.start('1.1.0');
    const foreign = 'metal-dev-x86_64-3.0.0';
    await world.signManifest({
      ...{ updates: [], migrations: {} },
      rollouts: [
        {
          ...JSON.parse(JSON.stringify(rollout)),
          release: {
            ...rollout.release,
            version: '3.0.0',
            document: `${foreign}-release.json`,
            images: { root: `${foreign}-root.zst`, hash: `${foreign}-hash` },
          },
        },
      ],
    });
    world.answer = sendTo('3.0.0', { rolloutId: rollout.id });
    await expect(runCycle(await world.agent())).resolves.toMatchObject({ bytesFetched: 0 });
    await expect(world.activeVersion()).resolves.toBe('1.0.0');
    expect(world.imageRequests).toEqual([]);
  });

  it('cannot lead a host around a barrier', async () => {
    await using world = await hostOn('1.0.0');
    await world.publish('2.0.0', { minimumFrom: '1.1.0' });
    const rollout = await world.start('2.0.0');
    await world.signManifest({
      ...{ updates: [], migrations: {} },
      rollouts: [
        {
          ...JSON.parse(JSON.stringify(rollout)),
          release: { ...rollout.release, minimumFrom: null },
        },
      ],
    });
    world.answer = sendTo('2.0.0');
    await expectUntouched(world, '1.0.0');
  });

  it('is still held to the way back that the running release permits, which works', async () => {
    await using world = await hostOn('1.1.0');
    const rollout = await world.start('1.1.0');
    const { release } = await world.start('1.0.0');
    await world.verb(rollBackVerb(rollout, release, world.now));
    world.answer = sendTo('1.0.0', { rolloutId: rollout.id, direction: 'rollback' });
    await expect(runCycle(await world.agent())).resolves.toMatchObject({ result: 'rolled-back' });
  });
});
