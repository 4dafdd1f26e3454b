import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { makePackage } from '../packaging/made-package.ts';
import type { MadePackage } from '../packaging/made-package.ts';
import { bootWorld } from './boot-world.ts';
import { debianGuest } from './guests.ts';
import { BOOT, UPDATE } from './power-cuts.ts';

const TIME_MS = 1_800_000;

let made: MadePackage;
let deb = '';
beforeAll(async () => {
  made = await makePackage(['--deb']);
  deb = await made.debPath();
});
afterAll(async () => {
  await made[Symbol.asyncDispose]();
});

describe('a Debian with systemd and the Debian package', () => {
  it(
    'is updated by the timer, boots when the agent tells systemd to, and is found good when boot-complete.target is reached',
    async () => {
      await using world = await bootWorld(debianGuest(deb, { polls: 'timer' }));
      const { machine } = world;
      const rollout = await world.release('1.1.0');
      machine.switchOn();
      await machine.hears(/host: runs release 1\.0\.0 well/, BOOT);
      await machine.hears(/host: runs release 1\.1\.0 well/, UPDATE);
      await machine.hears(/"to":"1\.1\.0".*"result":"updated"/, UPDATE);
      expect(machine.boots).toBe(2);
      expect((await world.rollout(rollout)).counts).toMatchObject({ updated: 1, failed: 0 });
    },
    TIME_MS,
  );

  it(
    'has a daemon that answers callers, and goes back from a release on which boot-complete.target is not reached',
    async () => {
      await using world = await bootWorld(debianGuest(deb, { polls: 'daemon' }));
      const { machine } = world;
      const rollout = await world.release('1.1.0', 'sick');
      machine.switchOn();
      await machine.hears(/host: runs release 1\.0\.0 well/, BOOT);
      await machine.hears(/HTTP\/1\.1 200 OK/, BOOT);
      await machine.hears(/"state":"(?:idle|available|staged|ready)"/, BOOT);
      await machine.hears(/host: runs release 1\.1\.0 sick/, UPDATE);
      await machine.hears(/host: runs release 1\.0\.0 well/, UPDATE);
      await machine.hears(/agent\/unhealthy/, UPDATE);
      expect(await world.rollout(rollout)).toMatchObject({
        counts: { updated: 0, failed: 1 },
        failures: [{ stage: 'health', error: expect.stringContaining('host-is-well.service') }],
      });
    },
    TIME_MS,
  );
});
