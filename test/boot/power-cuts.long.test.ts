import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { describe, expect, it } from '@jest/globals';
import { makePackage } from '../packaging/made-package.ts';
import { bootWorld } from './boot-world.ts';
import { bareGuest } from './guests.ts';
import { cutPowerAgain, updateTo } from './power-cuts.ts';

const CUTS = 20;
const SEED = 20_261_127;
const STEPS = 10_000;

describe('a virtual machine whose power is cut in the middle of updates', () => {
  it('comes up each time with the release before or the one after, and is up to date in the end', async () => {
    await using made = await makePackage();
    await using world = await bootWorld(bareGuest(made.pathOf('tidegate')));
    const generator = xoroshiro128plus(SEED);
    const random = () => uniformInt(generator, 0, STEPS - 1) / STEPS;
    const story = await cutPowerAgain(world, CUTS, random);
    process.stdout.write(`${JSON.stringify({ ...story, boots: world.machine.boots })}\n`);
    expect(story).toMatchObject({ cuts: CUTS, neither: 0 });
    expect(story.updated).toBeGreaterThan(1);
    await world.release('2.0.0');
    await updateTo(world, '2.0.0');
  });
});
