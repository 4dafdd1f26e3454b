import { chmod, readFile, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { json } from 'node:stream/consumers';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { runHook } from '../../agent/hooks.ts';
import type { HookName } from '../../agent/hooks.ts';
import type { Target } from '../../agent/machine-state.ts';
import type { Program } from '../../agent/programs.ts';
import { hostWorld } from '../support/host-world.ts';
import { serve } from './loopback-server.ts';

const EXAMPLES = join(import.meta.dirname, '../../examples/hooks');
const target: Target = {
  ...{ id: 'attempt-1', rolloutId: 'rollout-1', direction: 'forward', attempt: 1 },
  ...{ from: '1.0.0', to: '1.1.0' },
};

/** Runs a program for a hook as the agent does. */
async function run(name: HookName, program: Program) {
  await using world = await hostWorld();
  const agent = await world.agent();
  const hooks = { programs: { [name]: program }, timeoutMs: 20_000 };
  return runHook({ ...agent, config: { ...agent.config, hooks } }, name, target);
}

/** As much of kubectl as the example uses, on a node that is a folder; it writes down what it was asked to change. */
const KUBECTL = `#!/bin/sh
cd "$(dirname "$0")"
case "$*" in
*unschedulable*) cat unschedulable 2>/dev/null ;;
*annotations*) cat mark 2>/dev/null ;;
'annotate node node-1 --overwrite tidegate.cordoned=true') printf true > mark ;;
'annotate node node-1 tidegate.cordoned-') rm mark ;;
'cordon node-1') printf true > unschedulable; echo cordon >> log ;;
'uncordon node-1') rm unschedulable; echo uncordon >> log ;;
'drain node-1 --ignore-daemonsets --delete-emptydir-data --timeout=10m')
  if [ -e busy ]; then echo 'cannot evict pod web-0' >&2; exit 1; fi
  echo drain >> log ;;
*) echo "unknown: $*" >&2; exit 9 ;;
esac
true
`;

async function kubernetes() {
  const world = await hostWorld();
  const { folder } = world;
  await writeFile(join(folder, 'kubectl'), KUBECTL);
  await chmod(join(folder, 'kubectl'), 0o755);
  const path = `PATH=${folder}:/usr/bin:/bin`;
  return {
    hook: (name: HookName) =>
      run(name, ['/usr/bin/env', path, 'NODE_NAME=node-1', join(EXAMPLES, 'kubernetes-node')]),
    write: (name: string) => writeFile(join(folder, name), 'true'),
    log: async () => (await readFile(join(folder, 'log'), 'utf8')).trim().split('\n'),
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  };
}

describe('the example for a Kubernetes node', () => {
  it('drains the node before the boot, and takes it in after it, however often it is run', async () => {
    await using node = await kubernetes();
    for (const name of [
      'before-reboot',
      'before-reboot',
      'after-confirm',
      'after-confirm',
    ] as const)
      expect(await node.hook(name)).toMatchObject({ isGood: true });
    expect(await node.log()).toEqual(['cordon', 'drain', 'drain', 'uncordon']);
  });

  it('says not now while a pod cannot be evicted, and takes the node in again after a cancel', async () => {
    await using node = await kubernetes();
    await node.write('busy');
    const refused = await node.hook('before-reboot');
    expect(refused?.isGood).toBe(false);
    expect(refused?.message).toContain('cannot evict pod web-0');
    await node.hook('after-cancel');
    expect(await node.log()).toEqual(['cordon', 'uncordon']);
  });

  it('leaves a node closed that somebody else closed', async () => {
    await using node = await kubernetes();
    await node.write('unschedulable');
    await node.hook('before-reboot');
    await node.hook('after-confirm');
    expect(await node.log()).toEqual(['drain']);
  });
});

const questionSchema = z.object({ client_params: z.object({ id: z.string(), group: z.string() }) });

/** A FleetLock server that has so many places. */
async function fleetLock(places: number) {
  const holders = new Set<string>();
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const { client_params: client } = questionSchema.parse(await json(request));
    const isAsked = request.headers['fleet-lock-protocol'] === 'true' && client.group === 'default';
    if (request.url === '/v1/steady-state') holders.delete(client.id);
    else if (holders.size < places || holders.has(client.id)) holders.add(client.id);
    else {
      response.writeHead(409).end('{"kind":"failed_lock","value":"all slots are taken"}');
      return;
    }
    response.writeHead(isAsked ? 200 : 400).end();
  };
  const server = await serve((request, response) => {
    answer(request, response).catch(() => response.writeHead(400).end());
  });
  return {
    holders,
    hook: (name: HookName) =>
      run(name, ['/usr/bin/env', `FLEETLOCK_URL=${server.url}`, join(EXAMPLES, 'fleetlock')]),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

describe('the example for a FleetLock server', () => {
  it('takes the lock before the boot and gives it back after it, however often it is run', async () => {
    await using lock = await fleetLock(1);
    for (const name of ['before-reboot', 'before-reboot'] as const)
      expect(await lock.hook(name)).toMatchObject({ isGood: true });
    expect([...lock.holders]).toEqual(['host-1']);
    for (const name of ['after-fallback', 'after-fallback'] as const)
      expect(await lock.hook(name)).toMatchObject({ isGood: true });
    expect([...lock.holders]).toEqual([]);
  });

  it('says not now, and why, while others hold all locks', async () => {
    await using lock = await fleetLock(1);
    lock.holders.add('host-2');
    const refused = await lock.hook('before-reboot');
    expect(refused?.isGood).toBe(false);
    expect(refused?.message).toContain('all slots are taken');
  });
});
