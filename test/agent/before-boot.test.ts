import { describe, expect, it } from '@jest/globals';
import { runCycle } from '../../agent/cycle.ts';
import { AgentError } from '../../agent/errors.ts';
import { bootedHost } from '../support/booted-host.ts';
import { sendTo, stay } from '../support/host-world.ts';

/** The server answers the questions of a host that is ready with these in turn, and sends it to 1.1.0 else. */
function answering(...answers: readonly (object | number)[]) {
  const left = [...answers];
  return (checkIn: Parameters<ReturnType<typeof sendTo>>[0]) =>
    (checkIn.state === 'ready' ? left.shift() : undefined) ?? sendTo('1.1.0')(checkIn);
}

/** Ready, and held back; what held it has then ended. */
async function heldHost() {
  const host = await bootedHost();
  const until = await host.holdBoots();
  const reason = `inhibitor: backup until ${until.toISOString().replace('.000', '')}: nightly`;
  expect(await host.once()).toMatchObject({ result: 'ready', reason });
  host.world.now = until;
  return host;
}

const STAYS = { boots: 0, version: '1.0.0' };

async function bootsOf({ machine, world }: Awaited<ReturnType<typeof bootedHost>>) {
  const boots = machine.reboots;
  await machine.boot();
  return { boots, version: await world.activeVersion() };
}

describe('a host that is ready and was held back', () => {
  it('does not boot into a release whose rollout was paused meanwhile, whoever boots it', async () => {
    await using host = await heldHost();
    await host.world.change('pause', host.rollout);
    host.world.answer = () => stay('paused');
    expect(await host.once()).toMatchObject({ result: 'staged', reason: 'paused' });
    expect(await bootsOf(host)).toEqual(STAYS);
    expect(await host.hooks()).not.toContain('before-reboot');
  });

  it('does not boot into a release that was withdrawn meanwhile, though the server still wants it', async () => {
    await using host = await heldHost();
    await host.world.change('withdraw', host.rollout);
    expect(await host.once()).toMatchObject({ result: 'refused', to: '1.1.0' });
    expect((await host.stateOf()).kind).toBe('staged');
    expect(await bootsOf(host)).toEqual(STAYS);
  });

  it('does not boot while nobody answers, and does so once somebody does', async () => {
    await using host = await heldHost();
    host.world.answer = () => 503;
    expect(await host.once()).toMatchObject({ result: 'failed' });
    expect([(await host.stateOf()).kind, host.machine.reboots]).toEqual(['ready', 0]);
    host.world.answer = sendTo('1.1.0');
    expect(await host.once()).toMatchObject({ result: 'ready' });
    expect(await bootsOf(host)).toEqual({ boots: 1, version: '1.1.0' });
  });
});

describe('a host that is ready, led by hand', () => {
  it.each(['reboot', 'check'] as const)(
    'does not boot into a release that is paused, and gives the boot choice back: %s',
    async (verb) => {
      await using host = await heldHost();
      host.world.answer = () => stay('paused');
      if (verb === 'check') expect(await host.verb(verb)).toMatchObject({ state: 'staged' });
      else await expect(host.verb(verb)).rejects.toMatchObject({ message: 'reboot: paused' });
      expect((await host.stateOf()).kind).toBe('staged');
      expect(await bootsOf(host)).toEqual(STAYS);
    },
  );
});

describe('a host that is being drained', () => {
  it('does not boot when the rollout is paused during the drain, and takes the drain back', async () => {
    await using host = await bootedHost();
    host.world.answer = answering(stay('paused'));
    expect(await host.once()).toMatchObject({ result: 'staged', reason: 'paused' });
    expect(await host.hooks()).toEqual(['before-prepare', 'before-reboot', 'after-cancel']);
    expect(await bootsOf(host)).toEqual(STAYS);
  });

  it('does not boot when nobody answers after the drain, takes the drain back, and tries again', async () => {
    await using host = await bootedHost();
    host.world.answer = answering(503);
    expect(await host.once()).toMatchObject({ result: 'failed' });
    expect((await host.hooks()).slice(1)).toEqual(['before-reboot', 'after-cancel']);
    expect([(await host.stateOf()).kind, host.machine.reboots]).toEqual(['ready', 0]);
    expect(await host.once()).toMatchObject({ result: 'ready' });
    expect(await bootsOf(host)).toEqual({ boots: 1, version: '1.1.0' });
  });

  it('gives back what was taken for the boot when the system does not take the order', async () => {
    await using host = await bootedHost();
    host.machine.refusal = 'a user is logged in';
    const refused = await host.once();
    expect(refused).toMatchObject({ result: 'failed' });
    expect(refused.reason).toContain('agent/reboot: a user is logged in');
    expect((await host.hooks()).slice(1)).toEqual(['before-reboot', 'after-cancel']);
    expect((await host.stateOf()).kind).toBe('ready');
  });
});

describe('a host that was told to boot, and has not yet', () => {
  it('takes the boot choice back when the rollout is paused', async () => {
    await using host = await bootedHost();
    await host.once();
    expect(await host.status()).toMatchObject({
      ...{ state: 'rebooting', reason: 'boot: the system was asked to boot' },
    });
    host.world.answer = () => stay('paused');
    expect(await host.once()).toMatchObject({ result: 'staged', reason: 'paused' });
    expect(await bootsOf(host)).toEqual({ boots: 1, version: '1.0.0' });
  });
});

describe('a cancel that the agent did not survive', () => {
  it('is not forgotten, and the host is not booted', async () => {
    await using host = await heldHost();
    host.world.answer = () => stay('paused');
    const agent = await host.agent();
    const slots = new Proxy(agent.slots, {
      get: (inner, name) =>
        name === 'deactivate'
          ? () => Promise.reject(new AgentError('agent/disk', 'deactivate failed with EIO'))
          : Reflect.get(inner, name),
    });
    await expect(runCycle({ ...agent, slots })).rejects.toMatchObject({ code: 'agent/disk' });
    host.world.answer = () => 503;
    expect(await host.once()).toMatchObject({ result: 'failed' });
    expect((await host.stateOf()).kind).toBe('staged');
    expect((await host.hooks()).slice(1)).toEqual(['after-cancel']);
    expect(await bootsOf(host)).toEqual(STAYS);
  });
});
