import { chmod, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { makeWorkplace } from '../support/cli.ts';
import { hostWorld, sendTo } from '../support/host-world.ts';
import { systemdBootHost } from './slots/systemd-boot-host.ts';

const anyObject = z.record(z.string(), z.unknown());

/** The host of the world as one that systemd-boot boots, on 1.0.0 in slot A, and sent to 1.1.0. */
async function setup() {
  const stack = new AsyncDisposableStack();
  const world = stack.use(await hostWorld());
  const host = stack.use(await systemdBootHost());
  const workplace = stack.use(await makeWorkplace());
  workplace.now = world.now;
  const text = await readFile(world.configFile, 'utf8');
  const directory = "kind = 'directory'\npath = 'slots'";
  expect(text).toContain(directory);
  const command = `kind = 'command'\nprogram = ${JSON.stringify(host.program)}`;
  await writeFile(world.configFile, text.replace(directory, command));
  const argvOf = (argv: readonly string[]) => ['agent', ...argv, '--config', world.configFile];
  const json = async (...argv: readonly string[]) =>
    anyObject.parse(JSON.parse(await workplace.must(...argvOf(argv), '--json')));
  await json('provision', '--version', '1.0.0');
  expect(await host.boot()).toBe('a');
  await world.start('1.1.0');
  world.answer = sendTo('1.1.0');
  return {
    ...{ world, host, workplace, json },
    agent: (...argv: readonly string[]) => workplace.run(...argvOf(argv)),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

describe('agent once on slots that a program drives', () => {
  it('fills the other slot, waits for the reboot, and marks the release good after it', async () => {
    await using test = await setup();
    const ready = { result: 'ready', to: '1.1.0' };
    expect(await test.json('once')).toMatchObject(ready);
    expect(await test.json('once')).toMatchObject({ ...ready, bytesFetched: 0 });
    expect(await test.host.boot()).toBe('b');
    expect(await test.json('once')).toMatchObject({ result: 'updated', to: '1.1.0' });
    expect(await test.json('status')).toMatchObject({ active: '1.1.0', inactive: '1.0.0' });
    expect(test.world.checkIns.at(-1)?.host.version).toBe('1.1.0');
  });

  it('tells that a release did not come up, and does not go there again by itself', async () => {
    await using test = await setup();
    await test.json('once');
    for (const slot of ['b', 'b', 'b', 'a']) expect(await test.host.boot()).toBe(slot);
    expect(await test.agent('once')).toMatchObject({ code: 1 });
    const reports = test.world.checkIns.flatMap((checkIn) => checkIn.reports ?? []);
    expect(reports[0]).toMatchObject({ outcome: 'failed', stage: 'boot', to: '1.1.0' });
    expect(await test.host.boot()).toBe('a');
  });

  it('adopts what runs after its seal was lost, by its signed document alone', async () => {
    await using test = await setup();
    await rm(join(test.host.folder, 'esp', 'tidegate', 'a', 'seal'));
    const lost = await test.agent('check');
    expect([lost.code, lost.stderr]).toEqual([1, expect.stringContaining('agent slots adopt')]);
    expect((await test.agent('slots', 'adopt', '--version', '1.1.0')).code).toBe(1);
    expect(await test.json('slots', 'adopt', '--version', '1.0.0')).toEqual({ version: '1.0.0' });
    expect(await test.json('once')).toMatchObject({ result: 'ready', to: '1.1.0' });
  });

  it('finds out by itself in its next cycle what runs, after its seal was lost', async () => {
    await using test = await setup();
    await rm(join(test.host.folder, 'esp', 'tidegate', 'a', 'seal'));
    expect(await test.json('once')).toMatchObject({ result: 'ready', from: '1.0.0', to: '1.1.0' });
  });

  it('has nothing to adopt where a link says what runs', async () => {
    await using world = await hostWorld();
    await using workplace = await makeWorkplace();
    const config = ['--config', world.configFile];
    const ran = await workplace.run(
      ...['agent', 'slots', 'adopt', '--version', '1.0.0', ...config],
    );
    expect([ran.code, ran.stderr]).toEqual([1, expect.stringContaining('slots.kind')]);
  });
});

describe('agent slots conformance', () => {
  const ONLY = ['--only', 'clears', 'keeps-the-seal'];

  it('says of each check how it went, and everything once more as a last line of JSON', async () => {
    await using host = await systemdBootHost();
    await using workplace = await makeWorkplace();
    const out = await workplace.must(
      ...['agent', 'slots', 'conformance', '--yes', '--json', ...ONLY, '--', ...host.program],
    );
    const lines = out.split('\n');
    expect(lines.slice(0, -1)).toEqual(['passed clears', 'passed keeps-the-seal']);
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({
      ...{ passed: 2, failed: 0, notRun: 0 },
      checks: [
        { name: 'clears', result: 'passed', why: null },
        { name: 'keeps-the-seal', result: 'passed', why: null },
      ],
    });
  });

  it('ends with 1 and says why when a check failed', async () => {
    await using workplace = await makeWorkplace();
    const ran = await workplace.run(
      ...['agent', 'slots', 'conformance', '--yes', '--only', 'state-is-well-formed', 'clears'],
      ...['--', '/bin/echo', 'hello'],
    );
    expect(ran.code).toBe(1);
    expect(ran.stdout).toContain('failed state-is-well-formed\n');
    expect(ran.stdout).toContain('not-run clears\n');
    expect(ran.stdout).toContain('0 passed, 1 failed, 1 not run\n');
    expect(ran.stderr).toContain('/bin/echo failed 1 checks');
  });

  it.each([
    { case: 'without --yes', argv: ['--', 'PROGRAM'] },
    { case: 'without a program', argv: ['--yes'] },
    { case: 'with a check that there is not', argv: ['--yes', '--only', 'x', '--', 'PROGRAM'] },
    { case: 'with one image', argv: ['--yes', '--image', 'root', '--', 'PROGRAM'] },
    { case: 'with one image twice', argv: ['--yes', '--image', 'a', 'a', '--', 'PROGRAM'] },
    { case: 'with a time that is none', argv: ['--yes', '--timeout', 'soon', '--', 'PROGRAM'] },
  ])('is called wrongly $case, and starts nothing', async ({ argv }) => {
    await using workplace = await makeWorkplace();
    const trace = join(workplace.folder, 'started');
    const program = join(workplace.folder, 'program');
    await writeFile(program, `#!/bin/sh\ntouch '${trace}'\n`);
    await chmod(program, 0o755);
    const given = argv.map((word) => (word === 'PROGRAM' ? program : word));
    expect((await workplace.run('agent', 'slots', 'conformance', ...given)).code).toBe(2);
    await expect(readFile(trace)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
