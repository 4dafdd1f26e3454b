import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { runCycle } from '../../agent/cycle.ts';
import type { CycleResult } from '../../agent/cycle-result.ts';
import { provision } from '../../agent/provision.ts';
import { readRules } from '../../core/fleet/read-rules.ts';
import { amend } from '../../repo-tools/amend.ts';
import { withdraw } from '../../repo-tools/withdraw.ts';
import { PLATFORM } from '../support/example-repository.ts';
import { hostWorld, sendTo, stay } from '../support/host-world.ts';
import type { HostWorld, WorldOptions } from '../support/host-world.ts';
import { HOUR_MS, policyOf, rollBackVerb, verbOf } from '../support/rollouts.ts';

/** A host that runs 1.0.0, and 1.1.0 rolled out to everyone. */
async function setup(options: WorldOptions = {}) {
  const world = await hostWorld(options);
  await provision(await world.agent(), '1.0.0');
  const rollout = await world.start('1.1.0');
  world.answer = sendTo('1.1.0');
  world.requests.length = 0;
  return { world, rollout };
}

/** One `agent once` of an agent that was started anew. */
async function once(world: HostWorld): Promise<CycleResult> {
  return runCycle(await world.agent());
}

async function pending(world: HostWorld) {
  return (await world.agent()).reports.pending();
}

function amendOptions({ repository, signers, now }: HostWorld) {
  const mode = { kind: 'commit', signers: [signers.release, signers.online] } as const;
  return { repository, mode, now };
}

async function amendRollback(world: HostWorld, version: string, rollbackTo: readonly string[]) {
  const order = { ...PLATFORM, version, terms: { rollbackTo }, reason: 'test', by: 'test' };
  return amend(order, amendOptions(world));
}

async function updateTo(world: HostWorld, version: string) {
  const rollout = await world.start(version);
  world.answer = sendTo(version);
  await expect(once(world)).resolves.toMatchObject({ result: 'updated' });
  return { rollout };
}

/** Rolls back what the rollout of this id gave, as an operator does after the amendment. */
async function sendBack(world: HostWorld, rolloutId: string, version: string): Promise<void> {
  const { release } = await world.start(version);
  const rollouts = await world.verb();
  const rollout = rollouts.find(({ id }) => id === rolloutId);
  if (rollout === undefined) throw new Error(`no rollout ${rolloutId}`);
  await world.verb(rollBackVerb(rollout, release, world.now));
  world.answer = sendTo(version, { rolloutId, direction: 'rollback' });
}

async function manifestOf({ repository }: HostWorld): Promise<string> {
  const bytes = await repository.readTarget(await repository.load(), 'manifest.json');
  return new TextDecoder().decode(bytes);
}

const eventsOf = (world: HostWorld) => world.events.map(({ event }) => event);

describe('runCycle', () => {
  it('updates, fetches every image once, and reports', async () => {
    const { world } = await setup();
    await using _ = world;
    const result = await once(world);
    expect(result).toMatchObject({
      ...{ result: 'updated', from: '1.0.0', to: '1.1.0', direction: 'forward', reason: null },
    });
    expect(result.bytesFetched).toBeGreaterThan(0);
    expect(world.imageRequests).toHaveLength(2);
    await expect(world.activeVersion()).resolves.toBe('1.1.0');
    expect(world.checkIns.map(({ state, host }) => [state, host.version])).toEqual([
      ['idle', '1.0.0'],
      ['staged', '1.0.0'],
      ['idle', '1.1.0'],
    ]);
    expect(world.checkIns.at(-1)?.reports).toMatchObject([
      { outcome: 'updated', rolloutId: 'rollout-1.1.0', from: '1.0.0', to: '1.1.0' },
    ]);
    await expect(pending(world)).resolves.toEqual([]);
    await expect(once(world)).resolves.toMatchObject({ result: 'stayed', reason: 'up-to-date' });
  });

  it('rolls back by a flip, without one byte of an image', async () => {
    const { world, rollout } = await setup();
    await using _ = world;
    await once(world);
    const before = await world.start('1.0.0');
    await world.verb(rollBackVerb(rollout, before.release, world.now));
    world.answer = sendTo('1.0.0', { rolloutId: rollout.id, direction: 'rollback' });
    world.requests.length = 0;
    await expect(once(world)).resolves.toMatchObject({
      ...{ result: 'rolled-back', from: '1.1.0', to: '1.0.0', direction: 'rollback' },
      bytesFetched: 0,
    });
    expect(world.imageRequests).toEqual([]);
    await expect(world.activeVersion()).resolves.toBe('1.0.0');
    expect(world.checkIns.at(-1)?.reports).toMatchObject([{ outcome: 'rolled-back' }]);
  });

  it('goes back where an amendment lets it, though it was installed without that way', async () => {
    const world = await hostWorld();
    await using _ = world;
    await world.publish('1.2.0');
    await provision(await world.agent(), '1.0.0');
    const { rollout } = await updateTo(world, '1.2.0');
    await amendRollback(world, '1.2.0', ['1.0.0']);
    await sendBack(world, rollout.id, '1.0.0');
    await expect(once(world)).resolves.toMatchObject({ result: 'rolled-back', bytesFetched: 0 });
    await expect(world.activeVersion()).resolves.toBe('1.0.0');
  });

  it('does not go back where an amendment no longer lets it, whatever the rollouts key signs', async () => {
    const { world, rollout } = await setup();
    await using _ = world;
    await once(world);
    await sendBack(world, rollout.id, '1.0.0');
    const stolen = await manifestOf(world);
    await amendRollback(world, '1.1.0', []);
    await world.signManifest(JSON.parse(stolen));
    await expect(once(world)).resolves.toMatchObject({ result: 'refused', to: '1.0.0' });
    await expect(world.activeVersion()).resolves.toBe('1.1.0');
  });

  it('asks for what signed documents do not permit again later each time, until they do', async () => {
    const { world, rollout } = await setup();
    await using _ = world;
    await once(world);
    await sendBack(world, rollout.id, '1.0.0');
    const stolen = await manifestOf(world);
    await amendRollback(world, '1.1.0', []);
    await world.signManifest(JSON.parse(stolen));
    await expect(once(world)).resolves.toMatchObject({ result: 'refused' });
    const asked = () => world.requests.filter((path) => path.endsWith('release.json')).length;
    const before = asked();
    await expect(once(world)).resolves.toMatchObject({ result: 'stayed', reason: 'backoff' });
    expect(asked()).toBe(before);
    world.now = new Date(world.now.getTime() + 10_000);
    await expect(once(world)).resolves.toMatchObject({ result: 'refused' });
    await amendRollback(world, '1.1.0', ['1.0.0']);
    world.now = new Date(world.now.getTime() + 10_000);
    await expect(once(world)).resolves.toMatchObject({ result: 'stayed', reason: 'backoff' });
    world.now = new Date(world.now.getTime() + 10_000);
    await expect(once(world)).resolves.toMatchObject({ result: 'rolled-back', to: '1.0.0' });
    await expect(pending(world)).resolves.toEqual([]);
  });

  it('does not fall back to the terms it was installed with when the amended document is held back', async () => {
    const { world, rollout } = await setup();
    await using _ = world;
    await once(world);
    await sendBack(world, rollout.id, '1.0.0');
    const stolen = await manifestOf(world);
    await amendRollback(world, '1.1.0', []);
    await world.signManifest(JSON.parse(stolen));
    world.tamper = (path) => (path.endsWith('1.1.0-release.json') ? { status: 404 } : null);
    await expect(once(world)).resolves.toMatchObject({ result: 'failed' });
    await expect(world.activeVersion()).resolves.toBe('1.1.0');
  });

  it('goes back by a flip to a release whose document was amended meanwhile', async () => {
    const { world, rollout } = await setup();
    await using _ = world;
    await once(world);
    await amend(
      {
        ...{ ...PLATFORM, version: '1.0.0', reason: 'notes', by: 'test' },
        terms: { notes: 'https://example.com/1.0.0' },
      },
      amendOptions(world),
    );
    await sendBack(world, rollout.id, '1.0.0');
    await expect(once(world)).resolves.toMatchObject({ result: 'rolled-back', bytesFetched: 0 });
  });

  it('does not go to a withdrawn release, though the disk holds it and the rollouts key gives it', async () => {
    const { world, rollout } = await setup();
    await using _ = world;
    await once(world);
    await sendBack(world, rollout.id, '1.0.0');
    const stolen = await manifestOf(world);
    await world.signManifest({ updates: [], migrations: {}, rollouts: [] });
    await withdraw(
      {
        ...{ ...PLATFORM, version: '1.0.0', reason: 'test', by: 'test' },
        allowDanglingRollback: true,
      },
      amendOptions(world),
    );
    await world.signManifest(JSON.parse(stolen));
    await expect(once(world)).resolves.toMatchObject({ result: 'refused', to: '1.0.0' });
    await expect(world.activeVersion()).resolves.toBe('1.1.0');
  });

  it('goes back from a withdrawn release to where its document lets it', async () => {
    const { world, rollout } = await setup();
    await using _ = world;
    await once(world);
    await sendBack(world, rollout.id, '1.0.0');
    await withdraw(
      {
        ...{ ...PLATFORM, version: '1.1.0', reason: 'test', by: 'test' },
        allowDanglingRollback: false,
      },
      amendOptions(world),
    );
    await expect(once(world)).resolves.toMatchObject({ result: 'rolled-back', to: '1.0.0' });
  });

  it('does not flip to an image that was damaged on the disk, but fetches anew', async () => {
    const { world, rollout } = await setup();
    await using _ = world;
    await once(world);
    await writeFile(join(world.folder, 'slots', 'a', 'hash'), 'hash of aws-k8s-1.32 9.9.9');
    const before = await world.start('1.0.0');
    await world.verb(rollBackVerb(rollout, before.release, world.now));
    world.answer = sendTo('1.0.0', { rolloutId: rollout.id, direction: 'rollback' });
    const result = await once(world);
    expect(result.result).toBe('rolled-back');
    expect(result.bytesFetched).toBeGreaterThan(0);
    await expect(world.activeVersion()).resolves.toBe('1.0.0');
  });

  it('does not activate what is paused between staging and activation, and does so after the resume', async () => {
    const { world, rollout } = await setup();
    await using _ = world;
    world.answer = (checkIn) =>
      checkIn.state === 'staged' ? stay('paused') : sendTo('1.1.0')(checkIn);
    const held = await once(world);
    expect(held).toMatchObject({ result: 'staged', to: '1.1.0', reason: 'paused' });
    await expect(world.activeVersion()).resolves.toBe('1.0.0');
    await world.change('pause', rollout);
    await expect(once(world)).resolves.toMatchObject({ result: 'staged', reason: 'paused' });
    await world.change('resume', rollout);
    world.answer = sendTo('1.1.0');
    world.requests.length = 0;
    await expect(once(world)).resolves.toMatchObject({ result: 'updated', bytesFetched: 0 });
    expect(world.imageRequests).toEqual([]);
  });

  it('stays staged when the last question gets no answer', async () => {
    const { world } = await setup();
    await using _ = world;
    world.answer = (checkIn) => (checkIn.state === 'staged' ? 503 : sendTo('1.1.0')(checkIn));
    await expect(once(world)).resolves.toMatchObject({ result: 'failed' });
    await expect(world.activeVersion()).resolves.toBe('1.0.0');
    expect((await (await world.agent()).journal.read()).state.kind).toBe('staged');
    await expect(pending(world)).resolves.toEqual([]);
  });

  it('keeps a report until it is acknowledged, over restarts, and sends it with the same id', async () => {
    const { world } = await setup();
    await using _ = world;
    world.answer = (checkIn) => (checkIn.reports === undefined ? sendTo('1.1.0')(checkIn) : 503);
    await expect(once(world)).resolves.toMatchObject({ result: 'updated' });
    await expect(once(world)).resolves.toMatchObject({ result: 'failed' });
    world.answer = sendTo('1.1.0');
    await once(world);
    const sent = world.checkIns.flatMap(({ reports = [] }) => reports.map(({ id }) => id));
    expect(sent).toHaveLength(3);
    expect(new Set(sent).size).toBe(1);
    await expect(pending(world)).resolves.toEqual([]);
  });

  it('steps through a barrier', async () => {
    const { world } = await setup();
    await using _ = world;
    await world.publish('2.0.0', { minimumFrom: '1.1.0' });
    await world.start('2.0.0');
    world.answer = sendTo('2.0.0');
    await expect(once(world)).resolves.toMatchObject({ result: 'refused', to: '2.0.0' });
    await expect(world.activeVersion()).resolves.toBe('1.0.0');
    world.answer = sendTo('1.1.0');
    await once(world);
    world.answer = sendTo('2.0.0');
    await expect(once(world)).resolves.toMatchObject({ result: 'updated', from: '1.1.0' });
  });

  it('reports a release that fails to install, and does not try it again at once', async () => {
    const { world } = await setup();
    await using _ = world;
    world.tamper = (path) =>
      path.endsWith('1.1.0-hash') ? { status: 200, body: 'hash of aws-k8s-1.32 9.9.9' } : null;
    const failed = await once(world);
    expect(failed).toMatchObject({ result: 'failed', to: '1.1.0' });
    expect(failed.reason).toContain('agent/image');
    await expect(pending(world)).resolves.toMatchObject([{ outcome: 'failed', stage: 'install' }]);
    world.tamper = () => null;
    world.requests.length = 0;
    await expect(once(world)).resolves.toMatchObject({ result: 'stayed', reason: 'backoff' });
    expect(world.imageRequests).toEqual([]);
    expect(world.checkIns.at(-1)?.failed).toMatchObject([{ version: '1.1.0', attempt: 1 }]);
    world.now = new Date(world.now.getTime() + HOUR_MS);
    await expect(once(world)).resolves.toMatchObject({ result: 'updated' });
    expect(world.checkIns.at(-1)?.failed).toBeUndefined();
  });

  it('says nothing of a failure to a server of before, which knows no such thing', async () => {
    const { world } = await setup();
    await using _ = world;
    world.tamper = (path) =>
      path.endsWith('1.1.0-hash') ? { status: 200, body: 'hash of aws-k8s-1.32 9.9.9' } : null;
    await expect(once(world)).resolves.toMatchObject({ result: 'failed' });
    const { answer } = world;
    world.answer = (checkIn) => (checkIn.failed === undefined ? answer(checkIn) : 400);
    await expect(once(world)).resolves.toMatchObject({ result: 'stayed', reason: 'backoff' });
  });

  it('tries a release that failed again at once when its rollout asks failed hosts to', async () => {
    const { world, rollout } = await setup();
    await using _ = world;
    world.tamper = (path) =>
      path.endsWith('1.1.0-hash') ? { status: 200, body: 'hash of aws-k8s-1.32 9.9.9' } : null;
    await expect(once(world)).resolves.toMatchObject({ result: 'failed' });
    world.tamper = () => null;
    await world.verb(verbOf('retry', rollout, world.now));
    await expect(once(world)).resolves.toMatchObject({ result: 'updated', to: '1.1.0' });
  });

  it('touches no slot when the manifest names an image that is not published', async () => {
    const { world } = await setup();
    await using _ = world;
    world.tamper = (path) => (path.endsWith('1.1.0-release.json') ? { status: 404 } : null);
    await expect(once(world)).resolves.toMatchObject({ result: 'failed' });
    expect((await (await world.agent()).slots.read()).inactive).toBeNull();
    await expect(world.activeVersion()).resolves.toBe('1.0.0');
  });

  it('is told to provision a host without a release', async () => {
    await using world = await hostWorld();
    await expect(once(world)).rejects.toMatchObject({ code: 'agent/slots' });
  });
});

describe('runCycle without a server', () => {
  it('decides by the signed manifest', async () => {
    const { world } = await setup({ isStatic: true });
    await using _ = world;
    await expect(once(world)).resolves.toMatchObject({ result: 'updated', to: '1.1.0' });
    await expect(once(world)).resolves.toMatchObject({ result: 'stayed', reason: 'up-to-date' });
    await expect(pending(world)).resolves.toEqual([]);
    expect(world.checkIns).toEqual([]);
  });

  it('waits for its wave, says until when, and for the end of a pause', async () => {
    await using world = await hostWorld({ isStatic: true });
    await provision(await world.agent(), '1.0.0');
    const rollout = await world.start('1.1.0', {
      policy: policyOf([
        [HOUR_MS, 10],
        [2 * HOUR_MS, 100],
      ]),
    });
    const waiting = await once(world);
    expect(waiting).toMatchObject({ result: 'stayed', reason: 'not-yet' });
    await world.change('pause', rollout);
    await expect(once(world)).resolves.toMatchObject({ reason: 'paused' });
    await world.change('resume', rollout);
    world.now = new Date(waiting.eligibleAt ?? '');
    await expect(once(world)).resolves.toMatchObject({ result: 'updated' });
  });

  it('stays while the server is away, unless it may decide by itself', async () => {
    const { world } = await setup();
    await using _ = world;
    world.answer = () => 503;
    const away = await once(world);
    expect(away.result).toBe('failed');
    expect(away.reason).toContain('agent/unreachable');
    await expect(world.activeVersion()).resolves.toBe('1.0.0');

    const { world: other } = await setup({ fallback: 'static' });
    await using __ = other;
    other.answer = () => 503;
    await expect(once(other)).resolves.toMatchObject({ result: 'updated' });
    expect(eventsOf(other)).toContain('server-away');
  });
});

describe('the rules of the fleet on a host', () => {
  it('bind an agent without a server, and one whose server has been taken over', async () => {
    for (const isStatic of [true, false]) {
      const { world } = await setup({ isStatic });
      await using _ = world;
      const { config } = await world.agent();
      const rules = readRules({ excludes: { [config.host.id]: 'new disk' } });
      const origin = { id: 'fleet-1', at: world.now, by: 'operator', reason: null };
      await world.verb({ ...origin, kind: 'apply-fleet', rules });
      const held = await once(world);
      expect(held.reason).toContain('excluded');
      await expect(world.activeVersion()).resolves.toBe('1.0.0');
      await world.verb({ ...origin, id: 'fleet-2', kind: 'apply-fleet', rules: readRules({}) });
      await expect(once(world)).resolves.toMatchObject({ result: 'updated' });
    }
  });
});

describe('provision', () => {
  it('takes the newest release that everyone gets, else the oldest one', async () => {
    await using world = await hostWorld();
    await world.publish('1.2.0');
    await world.start('1.1.0');
    await world.start('1.2.0', { policy: policyOf([[HOUR_MS, 100]]) });
    await expect(provision(await world.agent(), null)).resolves.toMatchObject({ version: '1.1.0' });
    await using fresh = await hostWorld();
    await expect(provision(await fresh.agent(), null)).resolves.toMatchObject({ version: '1.0.0' });
  });

  it('refuses where a release is active, and what is not published', async () => {
    await using world = await hostWorld();
    await expect(provision(await world.agent(), '9.0.0')).rejects.toMatchObject({
      code: 'agent/not-there',
    });
    await provision(await world.agent(), '1.0.0');
    await expect(provision(await world.agent(), '1.1.0')).rejects.toMatchObject({
      code: 'agent/slots',
    });
  });
});
