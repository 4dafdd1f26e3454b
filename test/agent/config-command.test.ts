import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { runCli } from '../../bin/cli.ts';
import { hostWorld } from '../support/host-world.ts';

/** A host whose configuration is where the system has it, with a drop-in of the site. */
async function setup() {
  const world = await hostWorld();
  const root = join(world.folder, 'root');
  const dropIns = join(root, 'etc/tidegate/agent.toml.d');
  await mkdir(dropIns, { recursive: true });
  await mkdir(join(root, 'usr/lib/tidegate'), { recursive: true });
  const main = join(root, 'usr/lib/tidegate/agent.toml');
  await writeFile(main, await readFile(world.configFile));
  const dropIn = join(dropIns, '10-site.toml');
  await writeFile(dropIn, "[server]\nurl = 'https://host-1:secret@updates.example'\n");
  const run = async (...argv: readonly string[]) => {
    let out = '';
    let err = '';
    const exitCode = await runCli(['agent', ...argv], {
      stdout: { write: (text) => (out += text) },
      stderr: { write: (text) => (err += text) },
      env: {},
      cwd: world.folder,
      root,
      now: () => world.now,
      signal: new AbortController().signal,
    });
    return { exitCode, out, err };
  };
  return { world, main, dropIn, dropIns, run };
}

describe('agent config show', () => {
  it('says each value and who said it, without passwords', async () => {
    const { world, main, dropIn, run } = await setup();
    await using _ = world;
    const { exitCode, out, err } = await run('config', 'show');
    expect({ exitCode, err }).toEqual({ exitCode: 0, err: '' });
    const lines = out.split('\n').map((line) => line.replaceAll(/ +#/g, ' #'));
    expect(lines).toContain(`host.seed = 1000 # ${main}:6`);
    expect(lines).toContain(`server.url = "https://host-1:***@updates.example" # ${dropIn}:2`);
    expect(lines).toContain(`server.fallback = "stay" # ${main}:9`);
    expect(lines).toContain('poll.interval = "5 minutes" # default');
    expect(lines).toContain(
      'repository.targets-url = "https://host-1:***@updates.example/repo/targets/" # from server.url',
    );
    expect(out).not.toContain('secret');
  });

  it('says the same to a machine, and what is ignored', async () => {
    const { world, main, dropIn, dropIns, run } = await setup();
    await using _ = world;
    const ignored = join(dropIns, '20-site.conf');
    await writeFile(ignored, 'colour = 1\n');
    const { out, err } = await run('config', 'show', '--json');
    const shown = z
      .object({ settings: z.array(z.object({ key: z.string() }).loose()) })
      .loose()
      .parse(JSON.parse(out));
    expect(shown).toMatchObject({ files: [main, dropIn], ignored: [ignored] });
    expect(shown.settings).toContainEqual({
      ...{ key: 'host.seed', value: 1000, origin: { kind: 'file', file: main, line: 6 } },
    });
    expect(shown.settings).toContainEqual({
      ...{ key: 'poll.interval', value: '5 minutes', origin: { kind: 'default' } },
    });
    expect(err).toContain(`${ignored} is ignored`);
  });

  it('reads one file alone where one is named', async () => {
    const { world, run } = await setup();
    await using _ = world;
    const { out } = await run('config', 'show', '--config', 'agent.toml');
    expect(out).toContain(`${world.configFile}:`);
    expect(out).not.toContain('updates.example');
  });

  it('fails with the file and the line of what is wrong', async () => {
    const { world, dropIn, run } = await setup();
    await using _ = world;
    await writeFile(dropIn, "[server]\nurl = 'https://updates.example'\ncolour = 1\n");
    await expect(run('config', 'show')).resolves.toEqual({
      exitCode: 1,
      out: '',
      err: `tidegate: error: ${dropIn}, line 3: unknown key server.colour\n`,
    });
  });
});

describe('agent status without --config', () => {
  it('reads the standard places, and tells of files that are ignored', async () => {
    const { world, dropIns, run } = await setup();
    await using _ = world;
    await writeFile(join(dropIns, '20.toml.bak'), '');
    const { exitCode, out, err } = await run('status', '--json');
    expect(exitCode).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ host: { id: 'host-1', seed: 1000 }, state: 'idle' });
    expect(JSON.parse(err)).toMatchObject({
      ...{ msg: 'config-file-ignored', file: join(dropIns, '20.toml.bak') },
    });
  });
});

describe('the event log', () => {
  it('holds what stderr says', async () => {
    const { world, dropIn, run } = await setup();
    await using _ = world;
    const file = join(world.folder, 'log', 'events.jsonl');
    await writeFile(
      dropIn,
      `[log]\nfile = '${file}'\n[repository]\nroot = '${join(world.folder, 'root.json')}'\n`,
    );
    const provisioned = await run('provision', '--version', '1.0.0');
    expect(provisioned).toMatchObject({ exitCode: 0 });
    const { exitCode, err } = await run('once');
    expect(exitCode).toBe(0);
    expect(err).toContain('"msg":"cycle"');
    await expect(readFile(file, 'utf8')).resolves.toBe(`${provisioned.err}${err}`);
  });
});
