import { describe, expect, it } from '@jest/globals';
import { runCycle } from '../../../agent/cycle.ts';
import { oneCycle } from '../../../agent/daemon/one-cycle.ts';
import { nextWaitMs, runForever } from '../../../agent/daemon/run-forever.ts';
import { provision } from '../../../agent/provision.ts';
import { hostWorld, sendTo, stay } from '../../support/host-world.ts';
import type { HostWorld, WorldOptions } from '../../support/host-world.ts';

const CHECK_IN = '/api/v1/check-in';

async function provisioned(options: WorldOptions = {}): Promise<HostWorld> {
  const world = await hostWorld(options);
  await provision(await world.agent(), '1.0.0');
  return world;
}

/** From now on the server takes no check-in. */
function refuse(world: HostWorld, status: number, retryAfter: string): void {
  world.tamper = (path, response) => {
    if (path !== CHECK_IN) return null;
    response.setHeader('retry-after', retryAfter);
    return { status, body: '{}' };
  };
}

/** What the agent waits after each of its first cycles; `before` is called with the number of each, from 1. */
async function waits(
  world: HostWorld,
  count: number,
  before: (cycle: number) => void = () => {},
): Promise<readonly number[]> {
  const stop = new AbortController();
  const waited: number[] = [];
  before(1);
  const agent = { ...(await world.agent()), signal: stop.signal };
  await runForever(() => oneCycle(agent), stop.signal, {
    random: () => 0.5,
    pause: async (ms) => {
      waited.push(ms);
      if (waited.length === count) stop.abort();
      before(waited.length + 1);
    },
  });
  return waited;
}

describe('runForever', () => {
  it('comes again when the server says', async () => {
    await using world = await provisioned();
    let seconds = 100;
    world.answer = () => ({ ...stay('up-to-date'), nextCheckInSeconds: seconds });
    const told = [100, 700, 86_400];
    const waited = await waits(world, 3, (cycle) => {
      seconds = told[cycle - 1] ?? 1;
    });
    expect(waited).toEqual(told.map((one) => one * 1000));
  });

  it.each([503, 429])(
    'leaves a server alone that says so with %i, and its own pace later',
    async (status) => {
      await using world = await provisioned();
      refuse(world, status, '600');
      const waited = await waits(world, 3, (cycle) => {
        if (cycle === 3) refuse(world, status, '1');
      });
      // Half of the jitter is on top of 600 s; without a longer word the third failure is followed by 20 s.
      expect(waited).toEqual([660_000, 660_000, 20_000]);
    },
  );

  it('asks again at its own pace when the server is well', async () => {
    await using world = await provisioned();
    world.answer = () => ({ ...stay('up-to-date'), nextCheckInSeconds: 300 });
    refuse(world, 503, '600');
    const waited = await waits(world, 2, (cycle) => {
      if (cycle === 2) world.tamper = () => null;
    });
    expect(waited).toEqual([660_000, 300_000]);
  });
});

describe('runCycle, with a server that takes no check-in', () => {
  it.each([
    { header: '120', seconds: 120 },
    { header: 'Sun, 01 Jan 2040 00:11:00 GMT', seconds: 60 },
    { header: '999999999', seconds: 86_400 },
    { header: 'soon', seconds: null },
  ])('tells how long it is to be left alone: $header', async ({ header, seconds }) => {
    await using world = await provisioned();
    refuse(world, 503, header);
    const result = await runCycle(await world.agent());
    expect(result).toMatchObject({ result: 'failed', retryAfterSeconds: seconds });
  });

  it('tells it too when it goes by the signed manifest meanwhile', async () => {
    await using world = await provisioned({ fallback: 'static' });
    await world.start('1.1.0');
    refuse(world, 503, '120');
    const result = await runCycle(await world.agent());
    expect(result).toMatchObject({ result: 'updated', to: '1.1.0', retryAfterSeconds: 120 });
  });

  it('tells it when only the last question before the flip was not taken', async () => {
    await using world = await provisioned();
    await world.start('1.1.0');
    world.answer = sendTo('1.1.0');
    let questions = 0;
    world.tamper = (path, response) => {
      if (path !== CHECK_IN || (questions += 1) === 1) return null;
      response.setHeader('retry-after', '90');
      return { status: 503, body: '{}' };
    };
    const result = await runCycle(await world.agent());
    expect(result).toMatchObject({ result: 'failed', retryAfterSeconds: 90 });
    await expect(world.activeVersion()).resolves.toBe('1.0.0');
  });
});

describe('nextWaitMs', () => {
  it.each([0, 0.5, 0.999])(
    'never ends before a Retry-After, whatever else is asked (%d)',
    (random) => {
      for (const failures of [0, 1, 5]) {
        const told = { nextCheckInSeconds: 1, retryAfterSeconds: 30, pollMs: 1000 };
        const waitMs = nextWaitMs(told, failures, () => random);
        expect(waitMs).toBeGreaterThanOrEqual(30_000);
      }
    },
  );

  it('is the own pace of the agent without a word of the server', () => {
    const silent = { nextCheckInSeconds: null, retryAfterSeconds: null, pollMs: 900_000 };
    expect(nextWaitMs(silent, 0, () => 0.5)).toBe(900_000);
  });
});
