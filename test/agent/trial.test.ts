import { describe, expect, it } from '@jest/globals';
import { runCycle } from '../../agent/cycle.ts';
import { provision } from '../../agent/provision.ts';
import { isOnTrial } from '../../agent/trial.ts';
import { BootedSlots } from '../support/booted-slots.ts';
import { hostWorld, sendTo } from '../support/host-world.ts';

/** A host that is sent to 1.1.0; its health is asked for in a cycle that is not run here. */
async function setup() {
  const world = await hostWorld();
  const context = await world.agent();
  await provision(context, '1.0.0');
  await world.start('1.1.0');
  world.answer = sendTo('1.1.0');
  return { world, context };
}

describe('isOnTrial', () => {
  it('goes by the journal where no bits can be read: yes after the boot into the release', async () => {
    const { world, context } = await setup();
    await using _ = world;
    const machine = new BootedSlots(context.slots);
    const booted = { ...context, slots: machine.slots, system: machine };
    expect(await isOnTrial(booted)).toBe(false);
    await runCycle(booted);
    expect(await isOnTrial(booted)).toBe(false);
    await machine.boot();
    expect(await isOnTrial(booted)).toBe(true);
    await runCycle(booted);
    expect(await isOnTrial(booted)).toBe(false);
  });

  it('is no where a boot brings no other release, whatever the journal says', async () => {
    const { world, context } = await setup();
    await using _ = world;
    const target = { id: '1', rolloutId: '1', from: '1.1.0', to: '1.0.0', attempt: 1 };
    await context.journal.write({
      kind: 'confirming',
      target: { ...target, direction: 'rollback' },
      failures: [],
      reboots: 0,
    });
    expect(await isOnTrial(context)).toBe(false);
  });
});
