import { appendFile } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';
import type { Command } from 'commander';
import { z } from 'zod';
import type { Io } from '../../adapters/terminal/io.ts';
import { agentOnceCommand } from '../../agent/commands/once.ts';
import { agentProvisionCommand } from '../../agent/commands/provision.ts';
import { agentStatusCommand } from '../../agent/commands/status.ts';
import { agentVerbCommand } from '../../agent/commands/verb.ts';
import { asOnlyAgent } from '../../agent/lock.ts';
import { hostWorld, sendTo, stay } from '../support/host-world.ts';
import type { HostWorld } from '../support/host-world.ts';
import { openProxy } from './network/proxy-server.ts';

const anyObject = z.record(z.string(), z.unknown());

function session(world: HostWorld, env: Io['env'] = {}) {
  const out: string[] = [];
  const err: string[] = [];
  const stop = new AbortController();
  const io: Io = {
    stdout: { write: (text) => out.push(text) },
    stderr: { write: (text) => err.push(text) },
    env,
    cwd: world.folder,
    now: () => world.now,
    signal: stop.signal,
  };
  const run = async (command: (io: Io) => Command, ...more: readonly string[]) => {
    out.length = 0;
    await command(io).parseAsync(['--config', 'agent.toml', ...more], { from: 'user' });
    return out.join('');
  };
  const json = async (command: (io: Io) => Command, ...more: readonly string[]) =>
    anyObject.parse(JSON.parse(await run(command, '--json', ...more)));
  return { run, json, stop, err };
}

/** A host on 1.0.0 that the server sends to 1.1.0. */
async function setup() {
  const world = await hostWorld();
  const { run, json, stop, err } = session(world);
  await json(agentProvisionCommand, '--version', '1.0.0');
  await world.start('1.1.0');
  world.answer = sendTo('1.1.0');
  return { world, run, json, stop, err };
}

describe('agent once', () => {
  it('prints one line of what happened', async () => {
    const { world, json } = await setup();
    await using _ = world;
    const result = await json(agentOnceCommand);
    expect(result).toEqual({
      ...{ result: 'updated', from: '1.0.0', to: '1.1.0', direction: 'forward', reason: null },
      ...{ bytesFetched: expect.any(Number), eligibleAt: null, nextCheckInSeconds: 60 },
      retryAfterSeconds: null,
    });
    await expect(json(agentOnceCommand)).resolves.toMatchObject({
      ...{ result: 'stayed', from: '1.1.0', to: null, reason: 'up-to-date', bytesFetched: 0 },
    });
  });

  it('fails, after its line, when the cycle failed', async () => {
    const { world, run } = await setup();
    await using _ = world;
    world.answer = () => 500;
    await expect(run(agentOnceCommand, '--json')).rejects.toMatchObject({
      code: 'agent/cycle-failed',
    });
  });

  it('sends everything through the proxy of its environment, check-ins and images too', async () => {
    const { world } = await setup();
    await using _ = world;
    await using proxy = await openProxy({ credentials: 'me:secret' });
    const { json, err } = session(world, { http_proxy: `http://me:secret@${proxy.host}` });
    await expect(json(agentOnceCommand)).resolves.toMatchObject({ result: 'updated' });
    const kinds = ['/api/v1/check-in', 'timestamp.json', '1.1.0-release.json', '1.1.0-hash'];
    for (const kind of kinds) {
      expect(proxy.asked).toContainEqual(expect.stringMatching(RegExp(`${world.url}.*${kind}$`)));
    }
    expect(err.join('')).not.toContain('secret');
  });

  it('says what is wrong with its certificates before it begins', async () => {
    const { world, run } = await setup();
    await using _ = world;
    await appendFile(world.configFile, "[network]\nca = 'none.pem'\n");
    await expect(run(agentOnceCommand)).rejects.toMatchObject({ code: 'agent/config' });
    expect(world.checkIns).toEqual([]);
    await expect(run(agentStatusCommand)).resolves.toContain('1.0.0');
  });

  it('does not begin while another agent is at work', async () => {
    const { world, run } = await setup();
    await using _ = world;
    const { config } = await world.agent();
    await asOnlyAgent(config.stateFolder, () =>
      expect(run(agentOnceCommand)).rejects.toMatchObject({ code: 'agent/locked' }),
    );
    await run(agentOnceCommand);
  });
});

describe('an agent verb on a host whose certificates cannot be read', () => {
  it('goes back, which needs no network, and refuses what needs one before it begins', async () => {
    const { world, run, json } = await setup();
    await using _ = world;
    await run(agentOnceCommand);
    await appendFile(world.configFile, "[network]\nca = 'none.pem'\n");
    for (const verb of ['check', 'prepare', 'apply'] as const) {
      const refused = run((io) => agentVerbCommand(io, verb));
      await expect(refused).rejects.toMatchObject({ code: 'agent/config' });
    }
    for (const verb of ['confirm', 'cancel', 'reboot'] as const) {
      const illegal = run((io) => agentVerbCommand(io, verb));
      await expect(illegal).rejects.toMatchObject({ code: 'agent/illegal-verb' });
    }
    await expect(json((io) => agentVerbCommand(io, 'rollback'))).resolves.toMatchObject({
      ...{ verb: 'rollback', state: 'idle', from: '1.1.0' },
    });
    await expect(world.activeVersion()).resolves.toBe('1.0.0');
  });
});

describe('agent status', () => {
  it('says where the host stands and why nothing happens, also while an agent is at work', async () => {
    const { world, json } = await setup();
    await using _ = world;
    world.answer = (checkIn) =>
      checkIn.state === 'staged' ? stay('paused') : sendTo('1.1.0')(checkIn);
    await json(agentOnceCommand);
    const { config } = await world.agent();
    await asOnlyAgent(config.stateFolder, async () => {
      await expect(json(agentStatusCommand)).resolves.toMatchObject({
        ...{ state: 'staged', active: '1.0.0', inactive: '1.1.0', reason: 'paused' },
        target: { from: '1.0.0', to: '1.1.0' },
        lastPoll: { result: 'staged', at: '2040-01-01T00:10:00Z' },
        pendingReports: 0,
      });
    });
  });

  it('can be asked before the host has anything', async () => {
    await using world = await hostWorld();
    const { json } = session(world);
    await expect(json(agentStatusCommand)).resolves.toMatchObject({
      ...{ state: 'idle', active: null, inactive: null, lastPoll: null, pendingReports: 0 },
    });
  });
});
