import { appendFile, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { runCycle } from '../../agent/cycle.ts';
import { inhibit } from '../../agent/inhibitors.ts';
import type { Inhibitor } from '../../agent/inhibitors.ts';
import type { Verb } from '../../agent/legal-verbs.ts';
import { provision } from '../../agent/provision.ts';
import { runVerb } from '../../agent/verbs.ts';
import { why } from '../../agent/why.ts';
import { BootedSlots } from '../support/booted-slots.ts';
import { hostWorld, sendTo, stay } from '../support/host-world.ts';
import type { HostWorld } from '../support/host-world.ts';
import { HOUR_MS } from '../support/rollouts.ts';

const BY_HAND = "[update]\nautomatic = 'check'\n";

/** A host that runs 1.0.0, and 1.1.0 rolled out to everyone; `boots` is for slots that a boot loader chooses from. */
async function setup({ config = BY_HAND, boots = false } = {}) {
  const world = await hostWorld();
  await appendFile(world.configFile, config);
  await provision(await world.agent(), '1.0.0');
  const rollout = await world.start('1.1.0');
  world.answer = sendTo('1.1.0');
  const machine = new BootedSlots((await world.agent()).slots);
  /** An agent that was started anew. */
  const agent = async () => ({
    ...(await world.agent()),
    ...(boots ? { slots: machine.slots, system: machine } : {}),
  });
  return {
    ...{ world, rollout, machine, agent },
    once: async () => runCycle(await agent()),
    verb: async (verb: Verb, options?: { insists: boolean }) =>
      runVerb(await agent(), verb, options),
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  };
}

/** An inhibitor that was written at the time of the world. */
async function inhibitNow(world: HostWorld, inhibitor: Inhibitor): Promise<void> {
  const { config } = await world.agent();
  await inhibit(config.inhibitorFolder, inhibitor);
  await utimes(join(config.inhibitorFolder, inhibitor.name), world.now, world.now);
}

describe('verbs', () => {
  it('take a release to a host step by step, each of them no further than its name', async () => {
    await using host = await setup({ boots: true });
    const { world, machine, verb } = host;
    const ofProvisioning = world.imageRequests.length;
    expect(await verb('check')).toMatchObject({ state: 'available', from: '1.0.0', to: '1.1.0' });
    expect(world.imageRequests).toHaveLength(ofProvisioning);
    const prepared = await verb('prepare');
    expect(prepared.state).toBe('staged');
    expect(prepared.bytesFetched).toBeGreaterThan(0);
    await machine.boot();
    expect(await world.activeVersion()).toBe('1.0.0');
    expect(await verb('apply')).toMatchObject({ state: 'ready', bytesFetched: 0 });
    expect(machine.reboots).toBe(0);
    expect((await verb('reboot')).state).toBe('rebooting');
    expect(machine.reboots).toBe(1);
    await machine.boot();
    expect(await host.once()).toMatchObject({ result: 'updated', to: '1.1.0' });
  });

  it('refuse where they make no sense, say which do, and change nothing', async () => {
    await using host = await setup();
    const illegal = ['prepare', 'apply', 'reboot', 'confirm', 'cancel'] as const;
    for (const verb of illegal) {
      await expect(host.verb(verb)).rejects.toMatchObject({
        ...{ code: 'agent/illegal-verb', message: `${verb} makes no sense in state idle` },
        hints: ['these do: check, rollback'],
      });
    }
    await host.verb('check');
    await expect(host.verb('apply')).rejects.toMatchObject({
      hints: ['these do: check, prepare, cancel, rollback'],
    });
    expect((await (await host.agent()).journal.read()).state.kind).toBe('available');
  });

  it('apply what was prepared only while its rollout wants it', async () => {
    await using host = await setup();
    const { world, rollout, verb } = host;
    await verb('check');
    await verb('prepare');
    await world.change('pause', rollout);
    world.answer = () => stay('paused');
    await expect(verb('apply')).rejects.toMatchObject({
      ...{ code: 'agent/not-done', message: 'apply: paused' },
    });
    expect(await world.activeVersion()).toBe('1.0.0');
    await world.change('resume', rollout);
    world.answer = sendTo('1.1.0');
    expect(await verb('apply')).toMatchObject({ state: 'idle' });
    expect(await world.activeVersion()).toBe('1.1.0');
    expect(world.checkIns.at(-1)?.reports).toMatchObject([{ outcome: 'updated' }]);
  });

  it('cancel takes back what is ready, and then what is staged', async () => {
    await using host = await setup({ boots: true });
    for (const verb of ['check', 'prepare', 'apply'] as const) await host.verb(verb);
    expect((await host.verb('cancel')).state).toBe('staged');
    await host.machine.boot();
    expect(await host.world.activeVersion()).toBe('1.0.0');
    expect((await host.verb('cancel')).state).toBe('idle');
    await host.verb('check');
    expect(await host.verb('prepare')).toMatchObject({ state: 'staged', bytesFetched: 0 });
  });

  it('rollback goes back without a network, and no poll undoes it until somebody insists', async () => {
    await using host = await setup({ config: '' });
    const { world, verb, once } = host;
    await once();
    expect(await world.activeVersion()).toBe('1.1.0');
    world.tamper = () => ({ status: 503 });
    expect(await verb('rollback')).toMatchObject({ state: 'idle', from: '1.1.0' });
    expect(await world.activeVersion()).toBe('1.0.0');
    world.tamper = () => null;
    world.now = new Date(world.now.getTime() + 100 * HOUR_MS);
    expect(await once()).toMatchObject({ result: 'stayed', reason: 'backoff' });
    expect(await verb('check')).toMatchObject({ state: 'idle', reason: 'backoff' });
    expect(await verb('check', { insists: true })).toMatchObject({ state: 'available' });
    expect(await once()).toMatchObject({ result: 'updated', bytesFetched: 0 });
  });

  it('rollback refuses where the inactive slot holds nothing older', async () => {
    await using host = await setup();
    await expect(host.verb('rollback')).rejects.toMatchObject({ code: 'agent/not-done' });
    await host.verb('check');
    await host.verb('prepare');
    await expect(host.verb('rollback')).rejects.toMatchObject({
      message: 'rollback: the host runs 1.0.0, and the inactive slot holds 1.1.0',
    });
  });

  it('confirm and rollback decide on a trial that is left to people', async () => {
    const config = "[health]\nconfirm = 'manual'\ncommand = ['/bin/false']\n";
    await using host = await setup({ config });
    expect(await host.once()).toMatchObject({ result: 'confirming', to: '1.1.0' });
    expect(await host.once()).toMatchObject({ result: 'confirming' });
    expect(await host.verb('rollback')).toMatchObject({ state: 'fallen-back' });
    expect(await host.world.activeVersion()).toBe('1.0.0');
    await host.verb('check', { insists: true });
    await host.verb('prepare');
    expect(await host.verb('apply')).toMatchObject({ state: 'confirming' });
    expect(await host.verb('confirm')).toMatchObject({ state: 'idle' });
    const outcomes = host.world.checkIns.flatMap(({ reports = [] }) =>
      reports.map(({ outcome }) => outcome),
    );
    expect(outcomes).toEqual(['failed', 'updated']);
  });

  it('are held up by inhibitors, as cycles are, until those end', async () => {
    await using host = await setup({ config: '' });
    const { world, verb } = host;
    const until = new Date(world.now.getTime() + HOUR_MS);
    const what = ['apply'] as const;
    await inhibitNow(host.world, { name: 'backup', why: 'nightly', what, until });
    const reason = `inhibitor: backup until ${until.toISOString().replace('.000', '')}: nightly`;
    expect(await host.once()).toMatchObject({ result: 'staged', reason });
    await expect(verb('apply')).rejects.toMatchObject({ message: `apply: ${reason}` });
    world.now = until;
    expect(await host.once()).toMatchObject({ result: 'updated', bytesFetched: 0 });
  });

  it('are not held up by windows, which are for the agent alone', async () => {
    const window = "days = ['sun'], from = '02:00', to = '03:00', time_zone = 'UTC'";
    await using host = await setup({ config: `[update]\nwindows = [{ ${window} }]\n` });
    const held = await host.once();
    expect(held.result).toBe('staged');
    expect(held.reason).toMatch(/^window: none is open before \d{4}-.*T02:00:00Z$/);
    expect(await host.once()).toMatchObject({ result: 'staged', bytesFetched: 0 });
    expect(await host.verb('apply')).toMatchObject({ state: 'idle' });
  });
});

describe('hooks', () => {
  /** Each hook writes its name and where the host goes; `before-apply` says no while a file is there. */
  async function hooked(options: { readonly boots?: boolean } = {}) {
    const host = await setup({ config: '', ...options });
    const log = join(host.world.folder, 'hooks');
    const veto = join(host.world.folder, 'veto');
    const say = `echo "$TIDEGATE_HOOK $TIDEGATE_FROM $TIDEGATE_TO $TIDEGATE_DIRECTION" >> ${log}`;
    const program = (rest: string) => `['/bin/sh', '-c', '''${say}${rest}''']`;
    const quiet = ['before-prepare', 'before-reboot', 'after-confirm', 'after-failure']
      .concat(['after-fallback', 'after-cancel'])
      .map((name) => `${name} = ${program('')}`);
    const asks = `before-apply = ${program(`; test ! -e ${veto} || { echo not today; exit 1; }`)}`;
    await appendFile(host.world.configFile, `[hooks]\n${[...quiet, asks].join('\n')}\n`);
    const lines = async () => (await readFile(log, 'utf8')).trim().split('\n');
    return { host, veto, lines };
  }

  it('run before and after the steps, and one that exits with 1 holds a step up', async () => {
    const { host, veto, lines } = await hooked();
    await using _ = host;
    await writeFile(veto, '');
    const held = await host.once();
    expect(held).toMatchObject({ result: 'staged' });
    expect(held.reason).toMatch(/^hook: .*exited with 1: not today$/);
    await rm(veto);
    expect(await host.once()).toMatchObject({ result: 'updated' });
    expect(await lines()).toEqual([
      ...['before-prepare 1.0.0 1.1.0 forward', 'before-apply 1.0.0 1.1.0 forward'],
      ...['before-apply 1.0.0 1.1.0 forward', 'after-confirm 1.0.0 1.1.0 forward'],
    ]);
  });

  it('are told of a cancel after the host was made ready for a boot', async () => {
    const { host, lines } = await hooked({ boots: true });
    await using _ = host;
    for (const verb of ['check', 'prepare', 'apply', 'reboot'] as const) await host.verb(verb);
    expect((await lines()).at(-1)).toBe('before-reboot 1.0.0 1.1.0 forward');
    expect(await host.verb('cancel')).toMatchObject({ state: 'staged' });
    expect((await lines()).at(-1)).toBe('after-cancel 1.0.0 1.1.0 forward');
    await host.machine.boot();
    expect(await host.world.activeVersion()).toBe('1.0.0');
  });

  it('are told of a fallback', async () => {
    const { host, lines } = await hooked({ boots: true });
    await using _ = host;
    host.machine.broken.add('1.1.0');
    await host.once();
    await host.machine.boot();
    expect(await host.once()).toMatchObject({ result: 'failed' });
    expect((await lines()).at(-1)).toBe('after-fallback 1.0.0 1.1.0 forward');
  });
});

describe('why', () => {
  it('tells what the server, the signed manifest and the host have to say', async () => {
    await using host = await setup();
    const { world } = host;
    const until = new Date(world.now.getTime() + HOUR_MS);
    const what = ['prepare'] as const;
    await inhibitNow(world, { name: 'backup', why: 'nightly', what, until });
    const told = await why(await host.agent());
    expect(told).toMatchObject({
      ...{ state: 'idle', running: '1.0.0', order: { to: '1.1.0' } },
      host: {
        ...{ backoff: null, barrier: null, space: null, reboot: null },
        prepare: 'policy: the agent does not prepare by itself',
        apply: 'policy: the agent does not apply by itself',
      },
    });
    expect(told.manifest.steps[0]).toMatchObject({ version: '1.1.0', heldBy: null });
    world.answer = () => stay('paused');
    expect(await why(await host.agent())).toMatchObject({ order: { to: null, reason: 'paused' } });
  });

  it('tells of a barrier, and of a release that failed here', async () => {
    await using host = await setup({ config: '' });
    const { world } = host;
    await world.publish('2.0.0', { minimumFrom: '1.1.0' });
    await world.start('2.0.0');
    world.answer = sendTo('2.0.0');
    expect((await why(await host.agent())).order).toMatchObject({ to: null });
    world.answer = sendTo('1.1.0');
    world.tamper = (path) =>
      path.endsWith('1.1.0-hash') ? { status: 200, body: 'hash of aws-k8s-1.32 9.9.9' } : null;
    await host.once();
    expect((await why(await host.agent())).host.backoff).toMatch(
      /^1\.1\.0 failed in install, 1 in a row, tried again from /,
    );
  });
});
