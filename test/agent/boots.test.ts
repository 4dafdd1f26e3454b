import { appendFile } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';
import { runCycle } from '../../agent/cycle.ts';
import { AgentError } from '../../agent/errors.ts';
import { provision } from '../../agent/provision.ts';
import { BootedSlots } from '../support/booted-slots.ts';
import { hostWorld, sendTo, stay } from '../support/host-world.ts';
import type { HostWorld } from '../support/host-world.ts';
import { HOUR_MS, verbOf } from '../support/rollouts.ts';

/** A host is well only on the release that it was provisioned with, and says so. */
const sickOnNew = ({ folder }: HostWorld) =>
  `[health]\ncommand = ['/bin/sh', '-c', 'echo sick; readlink "${folder}/slots/active" | grep a']\n`;

/** A host that runs 1.0.0, and 1.1.0 rolled out to everyone. */
async function setup(config: (world: HostWorld) => string = () => '') {
  const world = await hostWorld();
  await appendFile(world.configFile, config(world));
  await provision(await world.agent(), '1.0.0');
  const rollout = await world.start('1.1.0');
  world.answer = sendTo('1.1.0');
  const machine = new BootedSlots((await world.agent()).slots);
  return {
    world,
    rollout,
    machine,
    /** One cycle of an agent that was started anew on a machine that boots. */
    once: async () => runCycle({ ...(await world.agent()), slots: machine.slots, system: machine }),
    stateOf: async () => (await (await world.agent()).journal.read()).state,
  };
}

const outcomes = ({ checkIns }: HostWorld) =>
  checkIns.flatMap(({ reports = [] }) =>
    reports.map(({ outcome, stage }) => `${outcome} ${stage}`),
  );

describe('a host that runs a release only after a boot', () => {
  it('is ready, waits for somebody to boot it, and reports once it is well on the release', async () => {
    const { world, machine, once, stateOf } = await setup();
    await using _ = world;
    expect(await once()).toMatchObject({ result: 'ready', to: '1.1.0', from: '1.0.0' });
    expect(await once()).toMatchObject({ result: 'ready', bytesFetched: 0 });
    expect(world.checkIns.at(-1)?.state).toBe('ready');
    expect([machine.reboots, outcomes(world)]).toEqual([0, []]);
    await machine.boot();
    expect(await once()).toMatchObject({ result: 'updated', from: '1.0.0', to: '1.1.0' });
    expect(outcomes(world)).toEqual(['updated confirm']);
    expect((await stateOf()).kind).toBe('idle');
  });

  it('tells of an update that came through as such, whatever becomes of the check-in behind it', async () => {
    const { world, machine, once } = await setup();
    await using _ = world;
    await once();
    await machine.boot();
    world.answer = () => 503;
    expect(await once()).toMatchObject({ result: 'updated', to: '1.1.0', reason: null });
    expect(await once()).toMatchObject({ result: 'failed' });
    world.answer = sendTo('1.1.0');
    expect(await once()).toMatchObject({ result: 'stayed' });
    expect(new Set(outcomes(world))).toEqual(new Set(['updated confirm']));
  });

  it('tells of a disk that fails when the report is delivered', async () => {
    const { world, machine, once } = await setup();
    await using _ = world;
    await once();
    await machine.boot();
    const agent = { ...(await world.agent()), slots: machine.slots, system: machine };
    agent.reports.acknowledge = () =>
      Promise.reject(new AgentError('agent/full', 'writing reports.json failed with ENOSPC'));
    await expect(runCycle(agent)).rejects.toMatchObject({ code: 'agent/full' });
    expect(await once()).toMatchObject({ result: 'stayed' });
    expect(new Set(outcomes(world))).toEqual(new Set(['updated confirm']));
  });

  it('tells of an update that came through before it takes the next one on', async () => {
    const { world, machine, once } = await setup();
    await using _ = world;
    await once();
    await machine.boot();
    await world.publish('1.2.0');
    await world.start('1.2.0');
    world.answer = sendTo('1.2.0');
    const told = { result: 'updated', to: '1.1.0', nextCheckInSeconds: 60 };
    expect(await once()).toMatchObject(told);
    expect(await once()).toMatchObject({ result: 'ready', from: '1.1.0', to: '1.2.0' });
  });

  it('boots by itself where the policy says so, once', async () => {
    const { world, machine, once } = await setup(() => "[reboot]\npolicy = 'automatic'\n");
    await using _ = world;
    expect(await once()).toMatchObject({
      result: 'ready',
      reason: 'boot: the system was asked to boot',
    });
    expect(await once()).toMatchObject({ result: 'ready' });
    expect(machine.reboots).toBe(1);
    await machine.boot();
    expect(await once()).toMatchObject({ result: 'updated' });
  });

  it('stays where it is when the rollout is paused before the boot, and goes on after the resume', async () => {
    const { world, rollout, machine, once } = await setup();
    await using _ = world;
    await once();
    await world.change('pause', rollout);
    world.answer = () => stay('paused');
    expect(await once()).toMatchObject({ result: 'staged', reason: 'paused' });
    await machine.boot();
    expect(await world.activeVersion()).toBe('1.0.0');
    await world.change('resume', rollout);
    world.answer = sendTo('1.1.0');
    expect(await once()).toMatchObject({ result: 'ready', bytesFetched: 0 });
  });

  it('reports a release that does not boot, and does not try it again until the rollout asks for it', async () => {
    const { world, rollout, machine, once, stateOf } = await setup();
    await using _ = world;
    machine.broken.add('1.1.0');
    await once();
    await machine.boot();
    expect(await once()).toMatchObject({ result: 'failed', to: '1.1.0' });
    expect((await stateOf()).kind).toBe('fallen-back');
    world.now = new Date(world.now.getTime() + 30 * HOUR_MS);
    expect(await once()).toMatchObject({ result: 'stayed', reason: 'backoff' });
    expect(outcomes(world)).toEqual(['failed boot']);
    machine.broken.clear();
    await world.verb(verbOf('retry', rollout, world.now));
    expect(await once()).toMatchObject({ result: 'ready' });
  });

  it('boots the release before when it is not well on the new one, and reports why', async () => {
    const { world, machine, once, stateOf } = await setup(sickOnNew);
    await using _ = world;
    await once();
    await machine.boot();
    await once();
    expect([(await stateOf()).kind, machine.reboots]).toEqual(['fallen-back', 1]);
    await machine.boot();
    await once();
    expect(await world.activeVersion()).toBe('1.0.0');
    await once();
    expect(outcomes(world)).toEqual(['failed health']);
  });
});
