import { once } from 'node:events';
import { appendFile, link, stat } from 'node:fs/promises';
import { createServer as createSocket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { ApiServer } from '../../agent/api/server.ts';
import type { AgentContext } from '../../agent/context.ts';
import { runCycle } from '../../agent/cycle.ts';
import { listenOn } from '../../agent/daemon/listen.ts';
import { amongReaders, asOnlyAgent } from '../../agent/lock.ts';
import { provision } from '../../agent/provision.ts';
import { BootedSlots } from '../support/booted-slots.ts';
import { callSocket } from '../support/daemon.ts';
import { hostWorld, sendTo, stay } from '../support/host-world.ts';

type Place = { readonly socket: string; readonly mode: number };

/** The API in one process; whoever is served has its answer when this ends. */
async function serveApi(agent: AgentContext, place: Place): Promise<AsyncDisposable> {
  const api = new ApiServer(agent);
  const served = new Set<Promise<void>>();
  const listening = await listenOn(place, (connection) => {
    served.add(api.serve(connection));
  });
  return {
    async [Symbol.asyncDispose]() {
      api.stop();
      await Promise.all(served);
      await listening[Symbol.asyncDispose]();
    },
  };
}

/** A host that runs 1.0.0 and goes nowhere by itself, its agent's API, and 1.1.0 rolled out to everyone. */
async function setup() {
  const world = await hostWorld();
  await appendFile(world.configFile, "[update]\nautomatic = 'check'\n");
  await provision(await world.agent(), '1.0.0');
  const rollout = await world.start('1.1.0');
  world.answer = sendTo('1.1.0');
  const machine = new BootedSlots((await world.agent()).slots);
  const agent = { ...(await world.agent()), slots: machine.slots, system: machine };
  const socket = join(world.folder, 'api.sock');
  const api = await serveApi(agent, { socket, mode: 0o640 });
  const call = (method: string, path: string) => callSocket(socket, method, path);
  return {
    ...{ world, rollout, machine, agent, socket, call },
    /** As its clients do: asks again while another command is under way. */
    status: async () => {
      for (;;) {
        const answer = await call('GET', '/updates/status');
        if (answer.status !== 423) return answer.body;
      }
    },
    act: async (name: string) => (await call('POST', `/actions/${name}`)).status,
    async [Symbol.asyncDispose]() {
      await api[Symbol.asyncDispose]();
      await world[Symbol.asyncDispose]();
    },
  };
}

const image = (version: string) => ({ arch: 'x86_64', variant: 'aws-k8s-1.32', version });

describe("Bottlerocket's update API", () => {
  it('leads a host through an update as its orchestrators call it', async () => {
    await using host = await setup();
    const { machine, agent, call, act, status } = host;
    expect((await call('GET', '/updates/status')).status).toBe(404);
    expect((await call('GET', '/os')).body).toMatchObject({
      ...{ variant_id: 'aws-k8s-1.32', version_id: '1.0.0', arch: 'x86_64' },
    });
    expect(await act('refresh-updates')).toBe(204);
    expect(await status()).toEqual({
      update_state: 'Available',
      available_updates: ['1.1.0'],
      chosen_update: image('1.1.0'),
      active_partition: { image: image('1.0.0'), next_to_boot: true },
      staging_partition: null,
      most_recent_command: {
        ...{ cmd_type: 'refresh', cmd_status: 'Success', exit_status: 0, stderr: '' },
        timestamp: expect.stringMatching(/Z$/),
      },
    });
    expect(await act('prepare-update')).toBe(204);
    expect(await status()).toMatchObject({
      ...{ update_state: 'Staged', most_recent_command: { cmd_type: 'prepare' } },
      active_partition: { next_to_boot: true },
      staging_partition: { image: image('1.1.0'), next_to_boot: false },
    });
    expect(await act('activate-update')).toBe(204);
    expect(await status()).toMatchObject({
      ...{ update_state: 'Ready', active_partition: { next_to_boot: false } },
      staging_partition: { image: image('1.1.0'), next_to_boot: true },
    });
    expect(await act('reboot')).toBe(204);
    expect(machine.reboots).toBe(1);
    await machine.boot();
    expect((await call('GET', '/updates/status')).status).toBe(404);
    await runCycle(agent);
    expect(await act('refresh-updates')).toBe(204);
    expect(await status()).toMatchObject({
      ...{ update_state: 'Idle', available_updates: [], chosen_update: null },
      active_partition: { image: image('1.1.0'), next_to_boot: true },
    });
  });

  it('leads a host as the ECS updater calls it: check, and after a drain apply, and then reboot and check', async () => {
    await using host = await setup();
    const { machine, agent, call, act, status } = host;
    const check = async () => {
      expect(await act('refresh-updates')).toBe(204);
      return status();
    };
    // Every 12 hours; it may never get as far as a drain.
    for (let look = 0; look < 3; look += 1) {
      expect(await check()).toMatchObject({
        ...{ update_state: 'Available', chosen_update: image('1.1.0') },
        active_partition: { image: image('1.0.0') },
      });
    }
    for (const [name, state] of [
      ['refresh-updates', 'Available'],
      ['prepare-update', 'Staged'],
      ['activate-update', 'Ready'],
    ] as const) {
      expect(await act(name)).toBe(204);
      expect(await status()).toMatchObject({ update_state: state });
    }
    // The updater died before its reboot document: its next run finds a candidate in Ready.
    expect(await check()).toMatchObject({
      ...{ update_state: 'Ready', staging_partition: { next_to_boot: true } },
    });
    expect(machine.reboots).toBe(0);
    expect(await act('reboot')).toBe(204);
    await machine.boot();
    await runCycle(agent);
    expect(await check()).toMatchObject({
      ...{ update_state: 'Idle', active_partition: { image: image('1.1.0') } },
    });
    expect((await call('GET', '/os')).body).toMatchObject({ version_id: '1.1.0' });
  });

  it('takes an activation back', async () => {
    await using host = await setup();
    for (const name of ['refresh-updates', 'prepare-update', 'activate-update']) {
      expect(await host.act(name)).toBe(204);
      await host.status();
    }
    expect(await host.act('deactivate-update')).toBe(204);
    expect(await host.status()).toMatchObject({
      update_state: 'Staged',
      most_recent_command: { cmd_type: 'deactivate', cmd_status: 'Success' },
    });
    await host.machine.boot();
    expect(await host.world.activeVersion()).toBe('1.0.0');
  });

  it('refuses with 409 what a state does not allow, and changes nothing', async () => {
    await using host = await setup();
    const { act, status } = host;
    for (const name of ['prepare-update', 'activate-update', 'deactivate-update'])
      expect(await act(name)).toBe(409);
    await act('refresh-updates');
    await status();
    for (const name of ['activate-update', 'deactivate-update']) expect(await act(name)).toBe(409);
    expect(await status()).toMatchObject({ most_recent_command: { cmd_type: 'refresh' } });
  });

  it('answers 423 while somebody else is at work', async () => {
    await using host = await setup();
    await asOnlyAgent(host.agent.config.stateFolder, async () => {
      expect(await host.act('refresh-updates')).toBe(423);
      expect((await host.call('GET', '/updates/status')).status).toBe(423);
      expect((await host.call('POST', '/v1/verbs/check')).status).toBe(423);
    });
    expect(await host.act('refresh-updates')).toBe(204);
  });

  it('keeps the state when an accepted command fails, and tells why', async () => {
    await using host = await setup();
    await host.act('refresh-updates');
    await host.status();
    host.world.tamper = (path) =>
      path.endsWith('1.1.0-hash') ? { status: 200, body: 'hash of aws-k8s-1.32 9.9.9' } : null;
    expect(await host.act('prepare-update')).toBe(204);
    const { most_recent_command: recent } = await host.status();
    expect(recent).toMatchObject({ cmd_type: 'prepare', cmd_status: 'Failed', exit_status: 1 });
    expect(recent.stderr).toContain('agent/image');
    expect(await host.world.activeVersion()).toBe('1.0.0');
    expect(await host.status()).toMatchObject({
      ...{ update_state: 'Available', chosen_update: image('1.1.0') },
      staging_partition: null,
    });
    for (const name of ['activate-update', 'deactivate-update'])
      expect(await host.act(name)).toBe(409);
    host.world.tamper = () => null;
    expect(await host.act('prepare-update')).toBe(204);
    expect(await host.status()).toMatchObject({ update_state: 'Staged' });
  });

  it('keeps what is staged when an accepted activation fails, and lets it be tried again', async () => {
    await using host = await setup();
    for (const name of ['refresh-updates', 'prepare-update']) {
      await host.act(name);
      await host.status();
    }
    host.world.tamper = (path) => (path.endsWith('1.1.0-release.json') ? { status: 404 } : null);
    expect(await host.act('activate-update')).toBe(204);
    expect(await host.status()).toMatchObject({
      ...{ update_state: 'Staged', chosen_update: image('1.1.0') },
      staging_partition: { image: image('1.1.0'), next_to_boot: false },
      most_recent_command: { cmd_type: 'activate', cmd_status: 'Failed' },
    });
    host.world.tamper = () => null;
    expect(await host.act('activate-update')).toBe(204);
    expect(await host.status()).toMatchObject({ update_state: 'Ready' });
  });

  it('forgets with the next refresh what a failed command kept', async () => {
    await using host = await setup();
    await host.act('refresh-updates');
    await host.status();
    host.world.tamper = (path) =>
      path.endsWith('1.1.0-hash') ? { status: 200, body: 'hash of aws-k8s-1.32 9.9.9' } : null;
    await host.act('prepare-update');
    expect(await host.status()).toMatchObject({ update_state: 'Available' });
    await host.act('refresh-updates');
    expect(await host.status()).toMatchObject({ update_state: 'Idle', chosen_update: null });
  });

  it('tells as many as ask at once, and holds up no command for it', async () => {
    await using host = await setup();
    await host.act('refresh-updates');
    await host.status();
    const readers = Array.from({ length: 8 }, () => host.call('GET', '/updates/status'));
    const statuses = (await Promise.all(readers)).map(({ status }) => status);
    expect(statuses).toEqual(Array.from(statuses, () => 200));
    const { promise, resolve } = Promise.withResolvers<void>();
    const reading = amongReaders(host.agent.config.stateFolder, () => promise);
    expect((await host.call('GET', '/updates/status')).status).toBe(200);
    const act = host.act('prepare-update');
    resolve();
    await reading;
    expect(await act).toBe(204);
  });

  it('boots the host whenever it is asked to', async () => {
    await using host = await setup();
    expect(await host.act('reboot')).toBe(204);
    expect(host.machine.reboots).toBe(1);
  });
});

describe("the agent's own API", () => {
  it('tells status and reasons, and runs verbs to their end', async () => {
    await using host = await setup();
    const { call } = host;
    expect((await call('GET', '/v1/status')).body).toMatchObject({
      ...{ state: 'idle', active: '1.0.0', legalVerbs: ['check', 'rollback'] },
    });
    expect((await call('POST', '/v1/verbs/check')).body).toMatchObject({ state: 'available' });
    expect((await call('POST', '/v1/verbs/prepare')).body).toMatchObject({ state: 'staged' });
    expect((await call('GET', '/v1/why')).body).toMatchObject({ order: { to: '1.1.0' } });
    await host.world.change('pause', host.rollout);
    host.world.answer = () => stay('paused');
    expect(await call('POST', '/v1/verbs/apply')).toMatchObject({
      ...{ status: 409, body: { error: { code: 'agent/not-done', message: 'apply: paused' } } },
    });
    expect(await call('POST', '/v1/verbs/confirm')).toMatchObject({
      status: 409,
      body: {
        error: {
          code: 'agent/illegal-verb',
          hints: ['these do: check, prepare, apply, cancel, rollback'],
        },
      },
    });
  });

  it('has no other paths and methods', async () => {
    await using host = await setup();
    expect((await host.call('GET', '/')).status).toBe(404);
    expect((await host.call('GET', '/v1/verbs/apply')).status).toBe(405);
    expect((await host.call('POST', '/v1/verbs/format')).status).toBe(404);
  });
});

describe('the socket', () => {
  it('has the mode that decides who may use it', async () => {
    await using host = await setup();
    expect((await stat(host.socket)).mode & 0o777).toBe(0o640);
  });

  it('is not taken from who serves on it, and is from who was killed', async () => {
    await using host = await setup();
    const { socket } = host;
    await expect(serveApi(host.agent, { socket, mode: 0o600 })).rejects.toMatchObject({
      ...{ code: 'agent/config', message: `another process serves ${socket}` },
    });
    const stale = join(host.world.folder, 'stale.sock');
    // Closed without an unlink, as the kernel leaves it of a process that was killed.
    const dead = createSocket();
    await once(dead.listen(stale), 'listening');
    const copy = join(host.world.folder, 'copy.sock');
    await link(stale, copy);
    dead.close();
    await using _ = await serveApi(host.agent, { socket: copy, mode: 0o600 });
    expect((await stat(copy)).mode & 0o777).toBe(0o600);
  });

  it('is refused where it cannot be', async () => {
    await using host = await setup();
    const socket = join(host.world.folder, 'missing', 'api.sock');
    await expect(serveApi(host.agent, { socket, mode: 0o600 })).rejects.toMatchObject({
      code: 'agent/config',
    });
  });
});
