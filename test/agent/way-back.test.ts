import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { bootedHost, SICK_ON_NEW } from '../support/booted-host.ts';
import { HOUR_MS } from '../support/rollouts.ts';

/** On 1.1.0, on trial, and not well; the next cycle finds that out. */
async function sickHost() {
  const host = await bootedHost(SICK_ON_NEW);
  await host.once();
  await host.machine.boot();
  expect(await host.world.activeVersion()).toBe('1.1.0');
  host.machine.reboots = 0;
  return host;
}

const GIVEN_UP = { result: 'failed', to: '1.1.0', reason: expect.stringContaining('unhealthy') };

describe('a host on its way back', () => {
  it('is booted once, says so, and goes on polling until the boot comes', async () => {
    await using host = await sickHost();
    expect(await host.once()).toMatchObject(GIVEN_UP);
    const waiting = { result: 'fallen-back', reason: 'boot: the system was asked to boot' };
    expect(await host.once()).toMatchObject(waiting);
    expect(await host.once()).toMatchObject(waiting);
    expect(await host.status()).toMatchObject({ state: 'fallen-back', reason: waiting.reason });
    expect([host.machine.reboots, host.world.checkIns.at(-1)?.state]).toEqual([1, 'fallen-back']);
    await host.machine.boot();
    expect(await host.once()).toMatchObject({ result: 'failed', to: '1.1.0' });
    expect(host.outcomes()).toEqual(['failed health']);
    expect(await host.world.activeVersion()).toBe('1.0.0');
  });

  it('says beside it that its disk does not let it poll', async () => {
    await using host = await sickHost();
    const { stateFolder } = (await host.world.agent()).config;
    // Unreadable, and neither missing nor damaged.
    await rm(join(stateFolder, 'reports.json'), { force: true });
    await mkdir(join(stateFolder, 'reports.json'));
    expect(await host.once()).toMatchObject(GIVEN_UP);
    expect(host.world.events).toContainEqual({
      event: 'poll-failed',
      details: { reason: expect.stringContaining('agent/disk') },
    });
  });

  it('tries again for as long as the system does not take the order, and gives each time back what was taken for the boot', async () => {
    await using host = await sickHost();
    host.machine.refusal = 'a user is logged in';
    for (let cycle = 1; cycle <= 5; cycle += 1) {
      await host.once();
      expect(host.machine.reboots).toBe(cycle);
      expect((await host.hooks()).slice(-2)).toEqual(['before-reboot', 'after-cancel']);
    }
    host.machine.refusal = null;
    await expect(host.verb('reboot')).resolves.toMatchObject({ state: 'fallen-back' });
    expect(host.machine.reboots).toBe(6);
  });

  it('waits for an inhibitor of boots, and for no window and no policy', async () => {
    await using host = await bootedHost(
      (world) => `${SICK_ON_NEW(world)}[update]\nautomatic = 'check'\n`,
    );
    for (const verb of ['check', 'prepare', 'apply'] as const) await host.verb(verb);
    await host.machine.boot();
    const until = await host.holdBoots();
    expect(await host.once()).toMatchObject(GIVEN_UP);
    const status = await host.status();
    expect([status.state, status.reason]).toEqual([
      ...['fallen-back', expect.stringContaining('inhibitor: backup')],
    ]);
    await expect(host.verb('reboot')).rejects.toMatchObject({ code: 'agent/not-done' });
    expect(host.machine.reboots).toBe(0);
    host.world.now = until;
    expect(await host.once()).toMatchObject({ result: 'fallen-back' });
    expect(host.machine.reboots).toBe(1);
  });

  it('is drained before the boot, and booted all the same when it cannot be drained for an hour', async () => {
    await using host = await sickHost();
    const veto = join(host.world.folder, 'veto');
    await writeFile(veto, '');
    await host.once();
    host.world.now = new Date(host.world.now.getTime() + HOUR_MS - 1);
    expect((await host.once()).reason).toContain('hook: /bin/sh exited with 1');
    expect(host.machine.reboots).toBe(0);
    host.world.now = new Date(host.world.now.getTime() + 1);
    await host.once();
    expect(host.machine.reboots).toBe(1);
    await rm(veto);
  });

  it('that boots do not bring says so and tells the server once', async () => {
    await using host = await sickHost();
    host.machine.isStubborn = true;
    for (let boot = 1; boot <= 6; boot += 1) {
      await host.once();
      await host.machine.boot();
    }
    await host.once();
    expect(host.machine.reboots).toBe(3);
    expect(host.outcomes()).toEqual(['failed boot']);
    const told = host.world.checkIns.find(({ reports = [] }) => reports.length > 0);
    expect([told?.state, told?.host.version]).toEqual(['fallen-back', '1.1.0']);
    expect((await host.status()).reason).toBe(
      'boot: the host was told 3 times to boot 1.0.0, and boots 1.1.0',
    );
    await host.verb('reboot');
    host.machine.isStubborn = false;
    await host.machine.boot();
    await host.once();
    expect(await host.world.activeVersion()).toBe('1.0.0');
    expect((await host.hooks()).at(-1)).toBe('after-fallback');
  });
});
