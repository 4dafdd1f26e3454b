import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { runCountedCycle } from '../../agent/counted-cycle.ts';
import { oneCycle } from '../../agent/daemon/one-cycle.ts';
import { runForever } from '../../agent/daemon/run-forever.ts';
import { provision } from '../../agent/provision.ts';
import { hostWorld, sendTo } from '../support/host-world.ts';

/** A host on 1.0.0 that is to go to 1.1.0 and writes its figures. */
async function setup() {
  const world = await hostWorld();
  const file = join(world.folder, 'figures', 'tidegate.prom');
  const text = await readFile(world.configFile, 'utf8');
  await writeFile(world.configFile, `${text}[metrics]\ntextfile = 'figures/tidegate.prom'\n`);
  await provision(await world.agent(), '1.0.0');
  await world.start('1.1.0');
  world.answer = sendTo('1.1.0');
  const cycle = async () => runCountedCycle(await world.agent());
  return { world, file, cycle };
}

/** Value by name and labels. */
async function samplesIn(file: string): Promise<ReadonlyMap<string, number>> {
  const lines = (await readFile(file, 'utf8')).split('\n');
  return new Map(
    lines
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => {
        const [, name = '', value = ''] = /^(\S.*) (\S+)$/.exec(line) ?? [];
        return [name, Number(value)];
      }),
  );
}

describe('runCountedCycle', () => {
  it('writes what node_exporter collects', async () => {
    const { world, file, cycle } = await setup();
    await using _ = world;
    const { bytesFetched } = await cycle();
    const text = (await readFile(file, 'utf8')).replaceAll(
      /(metadata_expires_timestamp_seconds\{.*\}) \d+/g,
      '$1 EXPIRES',
    );
    const prefix = 'tidegate_agent_';
    const family = (name: string, kind: string, help: string, ...samples: readonly string[]) => [
      `# HELP ${prefix}${name} ${help}`,
      `# TYPE ${prefix}${name} ${kind}`,
      ...samples.map((sample) => `${prefix}${name}${sample}`),
    ];
    const platform = 'variant="aws-k8s-1.32",arch="x86_64"';
    expect(text.trimEnd().split('\n')).toEqual([
      ...family(
        ...(['release_info', 'gauge', 'Releases that the slots hold, sealed'] as const),
        `{slot="active",${platform},version="1.1.0"} 1`,
        `{slot="inactive",${platform},version="1.0.0"} 1`,
      ),
      ...family(
        ...(['state', 'gauge', '1 for the state that the agent is in'] as const),
        '{state="idle"} 1',
        ...['available', 'staged', 'ready', 'rebooting', 'confirming', 'fallen-back'].map(
          (kind) => `{state="${kind}"} 0`,
        ),
      ),
      ...family(
        'release_failures',
        'gauge',
        'Failures in a row of the release that failed last on this host',
        ' 0',
      ),
      ...family('reports_pending', 'gauge', 'Reports that the server has not acknowledged', ' 0'),
      ...family(
        'last_cycle_timestamp_seconds',
        'gauge',
        'When a cycle ended last, in Unix time',
        ` ${world.now.getTime() / 1000}`,
      ),
      ...family(
        'last_good_cycle_timestamp_seconds',
        'gauge',
        'When a cycle ended last that did not fail, in Unix time; 0 is never',
        ` ${world.now.getTime() / 1000}`,
      ),
      ...family(
        'last_cycle_result',
        'gauge',
        '1 for how the last cycle ended',
        '{result="updated"} 1',
      ),
      ...family(
        'metadata_expires_timestamp_seconds',
        'gauge',
        'When the metadata that this host verified last expires, in Unix time',
        ...[
          'releases-aws-k8s-1.32-x86_64',
          'rollouts',
          'root',
          'snapshot',
          'targets',
          'timestamp',
        ].map((role) => `{role="${role}"} EXPIRES`),
      ),
      ...family('cycles_total', 'counter', 'Cycles by how they ended', '{result="updated"} 1'),
      ...family(
        'image_fetched_bytes_total',
        'counter',
        'Bytes of images that were fetched into slots',
        ` ${bytesFetched}`,
      ),
    ]);
  });

  it('counts on over restarts, and tells when a cycle went well last', async () => {
    const { world, file, cycle } = await setup();
    await using _ = world;
    const { bytesFetched } = await cycle();
    const wellAt = world.now.getTime() / 1000;
    world.now = new Date(world.now.getTime() + 60_000);
    world.answer = () => 500;
    await cycle();
    await cycle();
    const samples = await samplesIn(file);
    expect(samples.get('tidegate_agent_cycles_total{result="updated"}')).toBe(1);
    expect(samples.get('tidegate_agent_cycles_total{result="failed"}')).toBe(2);
    expect(samples.get('tidegate_agent_last_cycle_result{result="failed"}')).toBe(1);
    expect(samples.get('tidegate_agent_last_cycle_result{result="updated"}')).toBe(0);
    expect(samples.get('tidegate_agent_last_cycle_timestamp_seconds')).toBe(wellAt + 60);
    expect(samples.get('tidegate_agent_last_good_cycle_timestamp_seconds')).toBe(wellAt);
    expect(samples.get('tidegate_agent_image_fetched_bytes_total')).toBe(bytesFetched);
  });

  it('tells when the timestamp of the metadata expires', async () => {
    const { world, file, cycle } = await setup();
    await using _ = world;
    await cycle();
    const { timestamp } = await world.repository.load();
    expect(
      (await samplesIn(file)).get(
        'tidegate_agent_metadata_expires_timestamp_seconds{role="timestamp"}',
      ),
    ).toBe(Date.parse(timestamp.expires) / 1000);
  });

  it('tells of a cycle that could not even begin, and throws as it did', async () => {
    const { world, file, cycle } = await setup();
    await using _ = world;
    await writeFile(join(world.folder, 'root.json'), 'no root');
    await rm(join(world.folder, 'slots', 'active'));
    await expect(cycle()).rejects.toMatchObject({ code: 'agent/slots' });
    const samples = await samplesIn(file);
    expect(samples.get('tidegate_agent_cycles_total{result="failed"}')).toBe(1);
    expect([...samples.keys()].filter((name) => name.includes('slot="active"'))).toEqual([]);
  });

  it('lets the collector read the file, and leaves no half of one beside it', async () => {
    const { world, file, cycle } = await setup();
    await using _ = world;
    await cycle();
    await cycle();
    expect((await stat(file)).mode & 0o777).toBe(0o644);
    await expect(readdir(join(world.folder, 'figures'))).resolves.toEqual(['tidegate.prom']);
  });

  it('updates the host although the figures cannot be written, and says so', async () => {
    const { world, file, cycle } = await setup();
    await using _ = world;
    await mkdir(`${file}.tmp`, { recursive: true });
    await expect(cycle()).resolves.toMatchObject({ result: 'updated' });
    expect(world.events.filter(({ event }) => event === 'metrics-failed')).toEqual([
      { event: 'metrics-failed', details: expect.objectContaining({ code: 'agent/disk' }) },
    ]);
  });

  it('begins to count anew when the counts were damaged', async () => {
    const { world, file, cycle } = await setup();
    await using _ = world;
    await cycle();
    await writeFile(join(world.folder, 'state', 'counters.json'), 'torn');
    await cycle();
    expect((await samplesIn(file)).get('tidegate_agent_cycles_total{result="stayed"}')).toBe(1);
  });

  it('is what `agent run` does again and again', async () => {
    const { world, file } = await setup();
    await using _ = world;
    const stop = new AbortController();
    let cycles = 0;
    const agent = { ...(await world.agent()), signal: stop.signal };
    await runForever(() => oneCycle(agent), stop.signal, {
      random: () => 0.5,
      pause: async () => {
        cycles += 1;
        if (cycles === 3) stop.abort();
      },
    });
    const samples = await samplesIn(file);
    expect(samples.get('tidegate_agent_cycles_total{result="updated"}')).toBe(1);
    expect(samples.get('tidegate_agent_cycles_total{result="stayed"}')).toBe(2);
  });

  it('does not count being told to stop', async () => {
    const { world, file } = await setup();
    await using _ = world;
    const stop = new AbortController();
    world.tamper = () => {
      stop.abort();
      return 'handled';
    };
    const context = { ...(await world.agent()), signal: stop.signal };
    await expect(runCountedCycle(context)).rejects.toMatchObject({ code: 'agent/stopped' });
    await expect(stat(file)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
