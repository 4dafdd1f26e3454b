import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { runCli } from '../../bin/cli.ts';
import { hostWorld, sendTo, stay } from '../support/host-world.ts';
import { gptHost } from './slots/gpt-host.ts';

const anyObject = z.record(z.string(), z.unknown());

/** The host of the world with its slots on a disk, on 1.0.0 in slot A, and sent to 1.1.0. */
async function setup() {
  const stack = new AsyncDisposableStack();
  const world = stack.use(await hostWorld());
  const host = stack.use(await gptHost());
  const directory = "kind = 'directory'\npath = 'slots'";
  const { disk, kernelCommandLine } = host.options;
  const gpt = `kind = 'gpt'\ndisk = '${disk}'\nkernel-command-line = '${kernelCommandLine}'`;
  const text = await readFile(world.configFile, 'utf8');
  expect(text).toContain(directory);
  await writeFile(world.configFile, text.replace(directory, gpt));
  const run = async (...argv: readonly string[]) => {
    let out = '';
    let err = '';
    const exitCode = await runCli(['agent', ...argv], {
      stdout: { write: (more: string) => (out += more) },
      stderr: { write: (more: string) => (err += more) },
      env: {},
      cwd: world.folder,
      root: world.folder,
      now: () => world.now,
      signal: new AbortController().signal,
    });
    return { exitCode, out, err };
  };
  const agent = (...argv: readonly string[]) => run(...argv, '--config', 'agent.toml');
  const json = async (...argv: readonly string[]) => {
    const { exitCode, out, err } = await agent(...argv, '--json');
    if (exitCode !== 0) throw new Error(err);
    return anyObject.parse(JSON.parse(out));
  };
  await json('provision', '--version', '1.0.0');
  expect(await host.boot()).toBe('a');
  await world.start('1.1.0');
  world.answer = sendTo('1.1.0');
  return { world, host, run, agent, json, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

describe('agent once on GPT slots', () => {
  it('fills the other slot, waits for the reboot, and marks the release good after it', async () => {
    await using test = await setup();
    const ready = { result: 'ready', to: '1.1.0' };
    expect(await test.json('once')).toMatchObject(ready);
    // Asked once more before the reboot, it fetches nothing and waits on.
    expect(await test.json('once')).toMatchObject({ ...ready, bytesFetched: 0 });
    expect(await test.host.boot()).toBe('b');
    expect(await test.json('once')).toMatchObject({ result: 'updated', to: '1.1.0' });
    expect((await test.host.pair()).b).toEqual({ priority: 2, triesLeft: 0, successful: true });
    expect(test.world.checkIns.at(-1)?.host.version).toBe('1.1.0');
  });

  it('tells that a release did not come up, and does not go there again by itself', async () => {
    await using test = await setup();
    await test.json('once');
    for (const side of ['b', 'b', 'b', 'a']) expect(await test.host.boot()).toBe(side);
    expect(await test.agent('once')).toMatchObject({ exitCode: 1 });
    test.world.now = new Date(test.world.now.getTime() + 3_600_000);
    expect(await test.json('once')).toMatchObject({ result: 'stayed', reason: 'backoff' });
    const reports = test.world.checkIns.flatMap((checkIn) => checkIn.reports ?? []);
    expect(reports[0]).toMatchObject({ outcome: 'failed', stage: 'boot', to: '1.1.0' });
    expect(await test.host.boot()).toBe('a');
  });
});

describe('agent slots', () => {
  it('shows both slots, what runs and what boots next, for people and machines', async () => {
    await using test = await setup();
    await test.json('once');
    const good = { priority: 1, triesLeft: 0, successful: true, willBoot: true };
    expect(await test.json('slots', 'status')).toMatchObject({
      ...{ sectorSize: 512, damaged: null, running: 'a', next: 'b', hasEverSucceeded: false },
      slots: {
        a: { release: '1.0.0', ...good, partitions: { boot: { number: 1, byteCount: 131072 } } },
        b: { release: '1.1.0', priority: 2, triesLeft: 3, partitions: { hash: { number: 6 } } },
      },
    });
    expect((await test.agent('slots', 'status')).out).toBe(
      [
        'slot a: 1.0.0; priority 1, 0 tries left, runs, good',
        'slot b: 1.1.0; priority 2, 3 tries left, boots next',
        'both copies of the partition table are good',
        '',
      ].join('\n'),
    );
  });

  it('shows a damaged copy of the table, which the next change repairs', async () => {
    await using test = await setup();
    await test.host.poke(512, Buffer.alloc(8));
    expect((await test.agent('slots', 'status')).out).toContain('the primary copy');
    await test.json('slots', 'mark-good');
    expect(await test.json('slots', 'status')).toMatchObject({
      ...{ damaged: null, hasEverSucceeded: true },
    });
  });

  it('cancels an activation and makes it again', async () => {
    await using test = await setup();
    await test.json('once');
    expect(await test.json('slots', 'cancel')).toEqual({ running: 'a' });
    expect(await test.json('slots', 'status')).toMatchObject({ next: 'a' });
    expect(await test.json('slots', 'activate')).toEqual({ from: '1.0.0', to: '1.1.0' });
    expect(await test.host.boot()).toBe('b');
    await test.json('slots', 'mark-good');
    // 1.1.0 names 1.0.0 as where its hosts may go back to.
    expect(await test.json('slots', 'rollback')).toEqual({ from: '1.1.0', to: '1.0.0' });
    expect(await test.host.boot()).toBe('a');
  });

  it('does not roll back where the running release does not permit it', async () => {
    await using test = await setup();
    await test.world.publish('1.2.0');
    await test.world.start('1.2.0');
    test.world.answer = sendTo('1.2.0');
    await test.json('once');
    expect(await test.host.boot()).toBe('b');
    await test.json('slots', 'mark-good');
    const { exitCode, err } = await test.agent('slots', 'rollback');
    expect([exitCode, err]).toEqual([1, expect.stringContaining('not permitted')]);
    expect(await test.host.boot()).toBe('b');
  });

  it('does not activate a slot whose bytes changed since it was sealed', async () => {
    await using test = await setup();
    await test.json('once');
    await test.json('slots', 'cancel');
    const { at } = await test.host.placeOf('b', 'root');
    await test.host.poke(at, Buffer.from('changed'));
    const { exitCode, err } = await test.agent('slots', 'activate');
    expect([exitCode, err]).toEqual([1, expect.stringContaining('image root')]);
    expect(await test.host.boot()).toBe('a');
  });

  it('adopts what runs after the state was lost, by its signed document alone', async () => {
    await using test = await setup();
    await rm(join(test.world.folder, 'state'), { recursive: true });
    const lost = await test.agent('check');
    expect([lost.exitCode, lost.err]).toEqual([1, expect.stringContaining('agent slots adopt')]);
    const wrong = await test.agent('slots', 'adopt', '--version', '1.1.0');
    expect([wrong.exitCode, wrong.err]).toEqual([1, expect.stringContaining('image root')]);
    expect(await test.json('slots', 'adopt', '--version', '1.0.0')).toEqual({ version: '1.0.0' });
    expect(await test.json('once')).toMatchObject({ result: 'ready', to: '1.1.0' });
  });

  it('is only for slots on a disk', async () => {
    await using world = await hostWorld();
    let err = '';
    const io = {
      stdout: { write: () => true },
      stderr: { write: (more: string) => (err += more) },
      ...{ env: {}, cwd: world.folder, now: () => world.now },
      signal: new AbortController().signal,
    };
    for (const verb of ['status', 'mark-good', 'activate', 'cancel', 'rollback']) {
      err = '';
      expect(await runCli(['agent', 'slots', verb, '--config', 'agent.toml'], io)).toBe(1);
      expect(err).toContain('slots.kind must be gpt');
    }
  });

  it('says where it looked for a configuration, if there is none', async () => {
    await using test = await setup();
    expect(await test.run('slots', 'status')).toMatchObject({
      exitCode: 1,
      err: expect.stringContaining(join(test.world.folder, 'etc/tidegate/agent.toml')),
    });
  });
});

describe('a slot that somebody activated by hand', () => {
  it.each([{ hasJournal: true }, { hasJournal: false }])(
    'is left to the next boot, and then confirmed by the agent (%o)',
    async ({ hasJournal }) => {
      await using test = await setup();
      await test.json('once');
      await test.json('slots', 'cancel');
      test.world.answer = () => stay('paused');
      expect(await test.json('once')).toMatchObject({ result: 'staged' });
      if (!hasJournal) await rm(join(test.world.folder, 'state', 'journal.json'));
      await test.json('slots', 'activate');
      await test.json('once');
      expect(await test.host.boot()).toBe('b');
      expect(await test.json('once')).toMatchObject({ result: 'updated', to: '1.1.0' });
      expect((await test.host.pair()).b).toMatchObject({ successful: true });
      expect(test.world.checkIns.flatMap((checkIn) => checkIn.reports ?? [])).toEqual([]);
    },
  );

  it('is told in the status when it did not come up, and not activated again by a poll', async () => {
    await using test = await setup();
    await test.json('once');
    await test.json('slots', 'cancel');
    test.world.answer = () => stay('paused');
    await test.json('once');
    await test.json('cancel');
    await test.json('slots', 'activate');
    for (const side of ['b', 'b', 'b', 'a']) expect(await test.host.boot()).toBe(side);
    test.world.answer = sendTo('1.1.0');
    expect(await test.json('once')).toMatchObject({ result: 'stayed', reason: 'backoff' });
    expect((await test.agent('status')).out).toContain('1.1.0 failed in boot');
  });
});

describe('a journal that was lost', () => {
  it.each([
    { case: 'missing', harm: (file: string) => rm(file) },
    { case: 'damaged', harm: (file: string) => writeFile(file, 'torn') },
  ])('while a release was on trial: it is confirmed all the same, $case', async ({ harm }) => {
    await using test = await setup();
    await test.json('once');
    expect(await test.host.boot()).toBe('b');
    await harm(join(test.world.folder, 'state', 'journal.json'));
    test.world.answer = () => stay('paused');
    expect(await test.json('once')).toMatchObject({ result: 'updated', to: '1.1.0' });
    expect((await test.host.pair()).b).toMatchObject({ successful: true });
  });

  it('while a release was next to boot: that is taken back, and activated again only by an order', async () => {
    await using test = await setup();
    await test.json('once');
    const journal = join(test.world.folder, 'state', 'journal.json');
    await rm(journal);
    test.world.answer = () => stay('paused');
    expect(await test.json('once')).toMatchObject({ result: 'stayed', reason: 'paused' });
    expect(await test.json('slots', 'status')).toMatchObject({ next: 'a' });
    test.world.answer = sendTo('1.1.0');
    expect(await test.json('once')).toMatchObject({ result: 'ready', bytesFetched: 0 });
    await rm(journal);
    expect(await test.json('once')).toMatchObject({ result: 'ready', bytesFetched: 0 });
    expect(await test.host.boot()).toBe('b');
  });
});

describe('agent on-trial', () => {
  it('says yes from the first boot of a release until it is found good, and no otherwise', async () => {
    await using test = await setup();
    const exitCode = async () => (await test.agent('on-trial')).exitCode;
    expect(await exitCode()).toBe(3);
    await test.json('once');
    expect(await exitCode()).toBe(3);
    await test.host.boot();
    expect(await exitCode()).toBe(0);
    expect(await test.json('on-trial')).toEqual({ onTrial: true });
    await test.json('once');
    expect(await exitCode()).toBe(3);
    expect(await test.json('on-trial')).toEqual({ onTrial: false });
  });

  it('believes the bits and no journal, so that whoever boots on a yes does so for three times at most', async () => {
    await using test = await setup();
    await test.json('once');
    await test.host.boot();
    await rm(join(test.world.folder, 'state', 'journal.json'));
    expect(await test.json('on-trial')).toEqual({ onTrial: true });
    await test.json('slots', 'mark-good');
    expect(await test.json('on-trial')).toEqual({ onTrial: false });
  });

  it('fails where the slots cannot be read, which is no yes', async () => {
    await using test = await setup();
    await writeFile(test.host.options.disk, 'no table');
    expect((await test.agent('on-trial')).exitCode).toBe(1);
  });
});
