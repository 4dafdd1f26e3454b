import { setTimeout as sleep } from 'node:timers/promises';
import type { BootWorld } from './boot-world.ts';

/** How long a boot may take, and an update with its boot, on a machine that emulates every instruction. */
export const BOOT = { withinMs: 300_000 };
export const UPDATE = { withinMs: 600_000 };

export type PowerCuts = {
  readonly cuts: number;
  /** Releases that came through, those on which the cuts used up all tries, and boots into anything else than the two. */
  readonly updated: number;
  readonly fellBack: number;
  readonly neither: number;
};

/** Rolls a release out to the machine and waits until it runs it and has found it good; returns how long that took. */
export async function updateTo({ machine }: BootWorld, version: string): Promise<number> {
  const since = performance.now();
  await machine.hears(new RegExp(`"to":"${version}".*"result":"updated"`), UPDATE);
  return performance.now() - since;
}

/**
 * Leads a machine from release to release while its power is cut, each time `random` (0 <= random < 1) of an update's time
 * after it came up. After each cut it must come up again with the release before or the one after.
 */
export async function cutPowerAgain(
  world: BootWorld,
  cuts: number,
  random: () => number,
): Promise<PowerCuts> {
  const { machine } = world;
  let [minor, updated, fellBack, neither] = [1, 0, 0, 0];
  let running = '1.0.0';
  let wanted = '1.1.0';
  let rolloutId = await world.release(wanted);
  machine.switchOn();
  await machine.hears(/host: runs release 1\.0\.0 /, BOOT);
  const wholeMs = await updateTo(world, wanted);
  for (let cut = 0; cut < cuts; cut += 1) {
    const { counts } = await world.rollout(rolloutId);
    const isOver = counts !== null && counts.updated + counts.failed > 0;
    if (isOver) {
      updated += counts.updated;
      fellBack += counts.failed;
      if (counts.updated > 0) running = wanted;
      minor += 1;
      wanted = `1.${minor}.0`;
      rolloutId = await world.release(wanted);
    }
    await sleep(random() * wholeMs);
    await machine.cutPower();
    if (![running, wanted].includes((await world.nextRelease()) ?? '')) neither += 1;
    machine.switchOn();
    const line = await machine.hears(/host: runs release \S+ /, BOOT);
    const [, booted = ''] = /release (\S+)/.exec(line) ?? [];
    if (![running, wanted].includes(booted)) neither += 1;
  }
  return { cuts, updated, fellBack, neither };
}
