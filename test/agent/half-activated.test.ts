import { appendFile } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';
import { runCycle } from '../../agent/cycle.ts';
import { AgentError } from '../../agent/errors.ts';
import { provision } from '../../agent/provision.ts';
import type { Slots } from '../../agent/slots/slots.ts';
import { hostWorld, sendTo } from '../support/host-world.ts';

type Call = 'activate' | 'deactivate';

/** Slots that do what they are told and fail right after it. */
function failingAfter(slots: Slots, calls: readonly Call[]): Slots {
  const failing = (name: Call) => async (version: string) => {
    await slots[name](version);
    throw new AgentError('agent/disk', `${name} failed with EIO`);
  };
  const own = Object.fromEntries(calls.map((name) => [name, failing(name)]));
  return new Proxy(slots, {
    get: (inner, name) => {
      const value: unknown = Reflect.get(name in own ? own : inner, name);
      return typeof value === 'function' ? value.bind(inner) : value;
    },
  });
}

/** A host that runs 1.0.0 and is not well on anything else, and 1.1.0 rolled out to it. */
async function setup() {
  const world = await hostWorld();
  const wellOnFirst = `readlink "${world.folder}/slots/active" | grep a`;
  await appendFile(world.configFile, `[health]\ncommand = ['/bin/sh', '-c', '${wellOnFirst}']\n`);
  await provision(await world.agent(), '1.0.0');
  await world.start('1.1.0');
  world.answer = sendTo('1.1.0');
  return {
    world,
    once: async (failing: readonly Call[] = []) => {
      const agent = await world.agent();
      return runCycle({ ...agent, slots: failingAfter(agent.slots, failing) });
    },
    stateOf: async () => (await (await world.agent()).journal.read()).state,
  };
}

describe('an activation that took effect and failed', () => {
  it('is taken back before it is given up', async () => {
    const { world, once, stateOf } = await setup();
    await using _ = world;
    expect(await once(['activate'])).toMatchObject({ result: 'failed' });
    expect(await world.activeVersion()).toBe('1.0.0');
    expect(await stateOf()).toMatchObject({ kind: 'idle', failures: [{ stage: 'activate' }] });
  });

  it('is not given up while it cannot be taken back, so that nothing runs without its health check', async () => {
    const { world, once, stateOf } = await setup();
    await using _ = world;
    const deaf: Slots['deactivate'] = () =>
      Promise.reject(new AgentError('agent/disk', 'deactivate failed with EIO'));
    const agent = await world.agent();
    const slots = new Proxy(failingAfter(agent.slots, ['activate']), {
      get: (inner, name) => (name === 'deactivate' ? deaf : Reflect.get(inner, name)),
    });
    expect(await runCycle({ ...agent, slots })).toMatchObject({ result: 'failed' });
    expect(await world.activeVersion()).toBe('1.1.0');
    expect((await stateOf()).kind).toBe('ready');
    expect(await once()).toMatchObject({ result: 'failed', to: '1.1.0' });
    expect(await world.activeVersion()).toBe('1.0.0');
    expect(await stateOf()).toMatchObject({ kind: 'fallen-back', mishap: { stage: 'health' } });
  });
});
