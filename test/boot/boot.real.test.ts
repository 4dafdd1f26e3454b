import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { makePackage } from '../packaging/made-package.ts';
import type { MadePackage } from '../packaging/made-package.ts';
import { bootWorld } from './boot-world.ts';
import { bareGuest } from './guests.ts';
import { BOOT, cutPowerAgain, UPDATE, updateTo } from './power-cuts.ts';

const TIME_MS = 1_800_000;

let made: MadePackage;
beforeAll(async () => {
  made = await makePackage();
});
afterAll(async () => {
  await made[Symbol.asyncDispose]();
});

describe('a virtual machine with two slots and the packaged agent', () => {
  it(
    'updates itself over its network, boots the other slot, finds it good, reports and stays there',
    async () => {
      await using world = await bootWorld(bareGuest(made.pathOf('tidegate')));
      const { machine } = world;
      const rollout = await world.release('1.1.0');
      machine.switchOn();
      await machine.hears(/host: runs release 1\.0\.0 well/, BOOT);
      await machine.hears(/host: runs release 1\.1\.0 well/, UPDATE);
      await updateTo(world, '1.1.0');
      expect(machine.boots).toBe(2);
      expect((await world.rollout(rollout)).counts).toMatchObject({ updated: 1, failed: 0 });
      await machine.cutPower();
      machine.switchOn();
      await machine.hears(/loader: slot 4 has priority 2, 0 tries, successful 1/, BOOT);
      await machine.hears(/host: runs release 1\.1\.0 well/, BOOT);
    },
    TIME_MS,
  );

  it(
    'falls back from a release that does not boot after three tries, and from one on which it is not well at once',
    async () => {
      await using world = await bootWorld(bareGuest(made.pathOf('tidegate')));
      const { machine } = world;
      const dead = await world.release('1.1.0', 'dead');
      machine.switchOn();
      for (const tries of [3, 2, 1]) {
        await machine.hears(new RegExp(`loader: slot 4 has priority 2, ${tries} tries`), UPDATE);
        await machine.hears(/loader: no init/, BOOT);
      }
      await machine.hears(/host: runs release 1\.0\.0 well/, BOOT);
      await machine.hears(/host: a cycle ended/, UPDATE);
      expect(await world.rollout(dead)).toMatchObject({
        counts: { updated: 0, failed: 1 },
        failures: [{ stage: 'boot', error: expect.stringContaining('as often as it may') }],
      });
      const sick = await world.release('1.2.0', 'sick');
      await machine.hears(/host: runs release 1\.2\.0 sick/, UPDATE);
      await machine.hears(/host: runs release 1\.0\.0 well/, UPDATE);
      await machine.hears(/host: a cycle ended/, UPDATE);
      expect(await world.rollout(sick)).toMatchObject({
        counts: { updated: 0, failed: 1 },
        failures: [
          { stage: 'health', error: expect.stringContaining('this is release 1.2.0 sick') },
        ],
      });
    },
    TIME_MS,
  );

  it(
    'comes up with the release before or the one after when its power is cut in the middle of an update',
    async () => {
      await using world = await bootWorld(bareGuest(made.pathOf('tidegate')));
      const { cuts, neither } = await cutPowerAgain(world, 1, () => 0.6);
      expect({ cuts, neither }).toEqual({ cuts: 1, neither: 0 });
    },
    TIME_MS,
  );
});
