import { expect, it } from '@jest/globals';
import { makePackage } from '../packaging/made-package.ts';
import { bootWorld } from './boot-world.ts';
import { debianGuest } from './guests.ts';
import { BOOT, UPDATE } from './power-cuts.ts';

const TIME_MS = 1_800_000;

it(
  'boots a Debian back from a release in which the agent does not start, when its tries are used up, and reports it',
  async () => {
    await using made = await makePackage(['--deb']);
    const guest = debianGuest(await made.debPath(), { polls: 'timer', deadline: '60s' });
    await using world = await bootWorld(guest);
    const { machine } = world;
    const rollout = await world.release('1.1.0', 'mute');
    machine.switchOn();
    await machine.hears(/host: runs release 1\.0\.0 well/, BOOT);
    for (const tries of [3, 2, 1]) {
      await machine.hears(new RegExp(`loader: slot 4 has priority 2, ${tries} tries`), UPDATE);
      await machine.hears(/host: runs release 1\.1\.0 well/, BOOT);
    }
    await machine.hears(/host: runs release 1\.0\.0 well/, UPDATE);
    await machine.hears(/"to":"1\.1\.0".*"result":"failed"/, UPDATE);
    expect(await world.rollout(rollout)).toMatchObject({
      counts: { updated: 0, failed: 1 },
      failures: [{ stage: 'boot' }],
    });
  },
  TIME_MS,
);
