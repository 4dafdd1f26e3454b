import { chmod, readFile, writeFile } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';
import { asOnlyAgent } from '../../agent/lock.ts';
import { stay } from '../support/host-world.ts';
import {
  addToConfig,
  doctorHost,
  examined,
  provisionedHost,
  reportOf,
  runDoctor,
  stateFile,
} from './doctor-host.ts';
import { gptHost } from './slots/gpt-host.ts';

describe('agent doctor', () => {
  it('finds a host well that is, and changes nothing', async () => {
    const { world } = await provisionedHost();
    await using _ = world;
    await world.start('1.1.0');
    await addToConfig(world, "[health]\ncommand = ['sh', '-c', 'true']\n");
    const before = await readFile(stateFile(world, 'tuf', 'metadata.json'), 'utf8');
    const { exitCode, checks, unwell } = await examined(world);
    expect(unwell).toEqual([]);
    expect(exitCode).toBe(0);
    expect(checks.map(({ name }) => name)).toEqual([
      ...['configuration', 'state', 'clock', 'server', 'slots', 'anchor', 'metadata', 'targets'],
      ...['space', 'reports', 'programs', 'outputs'],
    ]);
    expect(await readFile(stateFile(world, 'tuf', 'metadata.json'), 'utf8')).toBe(before);
    expect(checks.find(({ name }) => name === 'space')?.message).toContain('1.1.0');
  });

  it('tells a host without a release what to do', async () => {
    const { world } = await doctorHost();
    await using _ = world;
    const { exitCode, unwell } = await examined(world);
    expect(exitCode).toBe(1);
    expect(unwell).toEqual([
      expect.objectContaining({ name: 'slots', advice: expect.stringContaining('provision') }),
    ]);
  });

  it('says each check with its advice to a person, and how many failed', async () => {
    const { world } = await provisionedHost();
    await using _ = world;
    await chmod(stateFile(world), 0o777);
    const { exitCode, out, err } = await runDoctor(world);
    expect(exitCode).toBe(1);
    expect(out).toContain(`failed   state: others may write in ${stateFile(world)}`);
    expect(out).toContain(`         chmod go-w ${stateFile(world)}`);
    expect(err).toBe('tidegate: error: 1 of 11 checks failed\n');
  });

  it('keeps the password of a server to itself', async () => {
    const { world, server } = await provisionedHost();
    await using _ = world;
    server.health = 502;
    const text = await readFile(world.configFile, 'utf8');
    await writeFile(world.configFile, text.replace('http://', 'http://host-1:secret@'));
    for (const flags of [[], ['--json']]) {
      const { exitCode, out, err } = await runDoctor(world, ...flags);
      expect(exitCode).toBe(1);
      expect(out).toContain('http://host-1:***@127.0.0.1');
      expect(`${out}${err}`).not.toContain('secret');
    }
  });

  it('says that an agent is at work, and does not disturb it', async () => {
    const { world } = await provisionedHost();
    await using _ = world;
    await asOnlyAgent(stateFile(world), async () => {
      const { exitCode, checks } = await examined(world);
      expect(exitCode).toBe(0);
      expect(checks.find(({ name }) => name === 'state')?.message).toContain('an agent is at work');
    });
  });

  it('needs no server in static mode', async () => {
    const { world } = await provisionedHost({ isStatic: true });
    await using _ = world;
    await expect(examined(world)).resolves.toMatchObject({ exitCode: 0, unwell: [] });
    expect(world.requests).not.toContain('/healthz');
  });

  it('counts reports for nobody as a mistake', async () => {
    const { world } = await provisionedHost({ isStatic: true });
    await using _ = world;
    await (await world.agent()).reports.add(reportOf(1));
    const { unwell } = await examined(world);
    expect(unwell).toEqual([
      expect.objectContaining({
        name: 'reports',
        message: '1 reports wait, and there is no server',
      }),
    ]);
  });
});

describe('agent doctor on GPT slots', () => {
  async function onDisk(partitionBytes?: number) {
    const stack = new AsyncDisposableStack();
    const { world } = await doctorHost();
    stack.use(world);
    const host = stack.use(await gptHost(partitionBytes === undefined ? {} : { partitionBytes }));
    const { disk, kernelCommandLine } = host.options;
    const text = await readFile(world.configFile, 'utf8');
    const gpt = `kind = 'gpt'\ndisk = '${disk}'\nkernel-command-line = '${kernelCommandLine}'`;
    await writeFile(world.configFile, text.replace("kind = 'directory'\npath = 'slots'", gpt));
    return { world, host, [Symbol.asyncDispose]: () => stack.disposeAsync() };
  }

  it('tells of a damaged copy of the partition table', async () => {
    await using place = await onDisk();
    const { world, host } = place;
    world.answer = () => stay('up-to-date');
    // The signature of the primary copy.
    await host.poke(512, Buffer.from('EFI PARX'));
    const { unwell } = await examined(world);
    expect(unwell.map(({ name, status }) => ({ name, status }))).toEqual([
      { name: 'slots', status: 'failed' },
      { name: 'slots', status: 'warning' },
    ]);
    expect(unwell.at(1)?.message).toContain('the primary copy of the partition table is damaged');
  });

  it('tells of a release that does not fit', async () => {
    await using place = await onDisk(4096);
    const { exitCode, unwell } = await examined(place.world);
    expect(exitCode).toBe(1);
    expect(unwell.find(({ name }) => name === 'space')).toMatchObject({
      status: 'failed',
      message: expect.stringContaining('image root needs 108000 bytes, its place has 4096'),
    });
  });
});
