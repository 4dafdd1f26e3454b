import { readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { runCli } from '../../bin/cli.ts';
import { provision } from '../../agent/provision.ts';
import { hostWorld, sendTo } from '../support/host-world.ts';
import type { HostWorld, WorldOptions } from '../support/host-world.ts';
import { policyOf } from '../support/rollouts.ts';

const HOUR_MS = 3_600_000;

/** A host on 1.0.0, and the commands of the place where its repository is. */
async function setup(options: WorldOptions = {}) {
  const world = await hostWorld(options);
  await provision(await world.agent(), '1.0.0');
  const run = async (...argv: readonly string[]) => {
    let out = '';
    let err = '';
    const exitCode = await runCli(argv, {
      stdout: { write: (text) => (out += text) },
      stderr: { write: (text) => (err += text) },
      env: {},
      cwd: world.folder,
      now: () => world.now,
      signal: new AbortController().signal,
    });
    return { exitCode, out, err };
  };
  /** Carries the repository away as it is now. */
  const mirror = async (folder: string, ...more: readonly string[]) => {
    // A source must tell when a file changes.
    world.tamper = (_, response) => {
      response.setHeader('etag', '"1"');
      return null;
    };
    const ran = await run('repo', 'mirror', `${world.url}/repo`, `file:${folder}`, ...more);
    if (ran.exitCode !== 0) throw new Error(ran.err);
  };
  const once = async (...more: readonly string[]) => {
    const argv = ['agent', 'once', '--config', world.configFile, '--json', ...more];
    const { exitCode, out, err } = await run(...argv);
    return { exitCode, err, result: out === '' ? null : (JSON.parse(out) as unknown) };
  };
  return { world, mirror, once, run };
}

/** No request of the host gets through any more. */
function cutOff(world: HostWorld): void {
  world.requests.length = 0;
  world.tamper = (_, response) => {
    response.destroy();
    return 'handled';
  };
}

describe('agent once --from', () => {
  it('updates from a folder without any network, and tells the server when it is back', async () => {
    const { world, mirror, once } = await setup();
    await using _ = world;
    const rollout = await world.start('1.1.0');
    await mirror('usb/repo');
    cutOff(world);
    await expect(once('--from', 'usb/repo')).resolves.toMatchObject({
      ...{ exitCode: 0, result: { result: 'updated', from: '1.0.0', to: '1.1.0' } },
    });
    expect(world.requests).toEqual([]);
    await expect(world.activeVersion()).resolves.toBe('1.1.0');

    world.tamper = () => null;
    await once();
    expect(world.checkIns.at(-1)?.reports).toEqual([
      expect.objectContaining({
        ...{ rolloutId: rollout.id, from: '1.0.0', to: '1.1.0', outcome: 'updated' },
      }),
    ]);
    await expect((await world.agent()).reports.pending()).resolves.toEqual([]);
  });

  it('keeps no report where there is no server to tell', async () => {
    const { world, mirror, once } = await setup({ isStatic: true });
    await using _ = world;
    await world.start('1.1.0');
    await mirror('usb/repo');
    cutOff(world);
    await expect(once('--from', 'usb/repo')).resolves.toMatchObject({ exitCode: 0 });
    await expect((await world.agent()).reports.pending()).resolves.toEqual([]);
  });

  it('obeys the waves of the signed manifest', async () => {
    const { world, mirror, once } = await setup();
    await using _ = world;
    await world.start('1.1.0', { policy: policyOf([[HOUR_MS, 100]]) });
    await mirror('usb/repo');
    cutOff(world);
    await expect(once('--from', 'usb/repo')).resolves.toMatchObject({
      result: { result: 'stayed', reason: 'not-yet' },
    });
    world.now = new Date(world.now.getTime() + 2 * HOUR_MS);
    await expect(once('--from', 'usb/repo')).resolves.toMatchObject({
      result: { result: 'updated' },
    });
  });

  it('does not ask a server that has other plans', async () => {
    const { world, mirror, once } = await setup();
    await using _ = world;
    await mirror('usb/repo');
    world.answer = sendTo('1.1.0');
    await expect(once('--from', 'usb/repo')).resolves.toMatchObject({
      result: { result: 'stayed', reason: 'up-to-date' },
    });
    expect(world.checkIns).toEqual([]);
  });

  it('refuses a folder that is older than what the host has seen', async () => {
    const { world, mirror, once } = await setup();
    await using _ = world;
    await mirror('usb/old');
    await world.start('1.1.0');
    await mirror('usb/new');
    await once('--from', 'usb/new');
    await expect(once('--from', 'usb/old')).resolves.toMatchObject({
      ...{
        exitCode: 1,
        result: { result: 'failed', reason: expect.stringContaining('agent/rollback') },
      },
    });
  });

  it('refuses a folder whose metadata has expired', async () => {
    const { world, mirror, once } = await setup();
    await using _ = world;
    await world.start('1.1.0');
    await mirror('usb/repo');
    world.now = new Date(world.now.getTime() + 365 * 24 * HOUR_MS);
    await expect(once('--from', 'usb/repo')).resolves.toMatchObject({
      ...{
        exitCode: 1,
        result: { result: 'failed', reason: expect.stringContaining('agent/expired') },
      },
    });
    await expect(world.activeVersion()).resolves.toBe('1.0.0');
  });

  it('refuses an image that was changed on the way', async () => {
    const { world, mirror, once } = await setup();
    await using _ = world;
    await world.start('1.1.0');
    await mirror('usb/repo');
    const folder = join(world.folder, 'usb/repo/targets');
    const names = await readdir(folder);
    const [one, other] = names.filter((name) => name.endsWith('-hash'));
    if (one === undefined || other === undefined) throw new Error('no images');
    await rename(join(folder, one), join(folder, other));
    const { exitCode } = await once('--from', 'usb/repo');
    expect(exitCode).toBe(1);
    await expect(world.activeVersion()).resolves.toBe('1.0.0');
  });

  it('says so of an image that was left out of the folder', async () => {
    const { world, mirror, once } = await setup();
    await using _ = world;
    await world.start('1.1.0');
    await mirror('usb/repo', '--variant', 'metal-dev');
    await expect(once('--from', 'usb/repo')).resolves.toMatchObject({
      ...{
        exitCode: 1,
        result: { result: 'failed', reason: expect.stringContaining('agent/unreachable') },
      },
    });
  });

  it('says what a folder without a repository needs', async () => {
    const { world, once } = await setup();
    await using _ = world;
    const { exitCode, err, result } = await once('--from', 'usb/repo');
    expect({ exitCode, result }).toEqual({ exitCode: 1, result: null });
    expect(err).toContain('usb/repo holds no repository');
    expect(err).toContain('tidegate repo mirror');
  });
});
