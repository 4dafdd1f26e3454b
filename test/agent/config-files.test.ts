import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { loadConfig } from '../../agent/config.ts';
import type { LoadedConfig } from '../../agent/config.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const MAIN = `state = '/var/lib/tidegate'
[host]
id = 'host-1'
variant = 'aws-k8s-1.32'
arch = 'x86_64'
[server]
url = 'https://updates.example'
[repository]
root = 'root.json'
[slots]
kind = 'directory'
path = '/slots'
`;

/** A root with these files; the value is the text, or null for a link to /dev/null. */
async function setup(files: Readonly<Record<string, string | null>>) {
  const folder = await temporaryFolder();
  const root = folder.path;
  for (const [name, text] of Object.entries(files)) {
    const path = join(root, name);
    await mkdir(dirname(path), { recursive: true });
    await (text === null ? symlink('/dev/null', path) : writeFile(path, text));
  }
  return {
    root,
    load: () => loadConfig({ kind: 'standard', root }),
    loadFile: (name: string) => loadConfig({ kind: 'file', path: join(root, name) }),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

function valueOf({ settings }: LoadedConfig, key: string): unknown {
  return settings.find((setting) => setting.key === key)?.value;
}

const seed = (value: number) => `[host]\nseed = ${value}\n`;

describe('loadConfig, in the standard places', () => {
  it.each([
    {
      case: 'a drop-in says more than the main file',
      files: { 'etc/tidegate/agent.toml': MAIN, 'etc/tidegate/agent.toml.d/10.toml': seed(1) },
      is: 1,
    },
    {
      case: 'of two drop-ins the later name counts, whatever their folders',
      files: {
        'usr/lib/tidegate/agent.toml': MAIN,
        'usr/lib/tidegate/agent.toml.d/20-image.toml': seed(2),
        'etc/tidegate/agent.toml.d/10-site.toml': seed(1),
      },
      is: 2,
    },
    {
      case: 'of one name the file in the later folder counts',
      files: {
        'usr/lib/tidegate/agent.toml': MAIN,
        'usr/lib/tidegate/agent.toml.d/10.toml': seed(1),
        'etc/tidegate/agent.toml.d/10.toml': seed(2),
        'run/tidegate/agent.toml.d/10.toml': seed(3),
      },
      is: 3,
    },
    {
      case: 'the later main file replaces the earlier as a whole',
      files: {
        'usr/lib/tidegate/agent.toml': `${MAIN}[health]\ntimeout = "1 minute"\n`,
        'etc/tidegate/agent.toml': MAIN.replace('[server]', 'seed = 4\n[server]'),
      },
      is: 4,
    },
    {
      case: 'a main file is replaced by one in /run',
      files: {
        'etc/tidegate/agent.toml': MAIN,
        'run/tidegate/agent.toml': MAIN.replace('[server]', 'seed = 5\n[server]'),
      },
      is: 5,
    },
    {
      case: 'names are compared as they are spelt, not as numbers',
      files: {
        'etc/tidegate/agent.toml': MAIN,
        'etc/tidegate/agent.toml.d/10.toml': seed(10),
        'etc/tidegate/agent.toml.d/9.toml': seed(9),
      },
      is: 9,
    },
    {
      case: 'drop-ins alone are a configuration',
      files: {
        'usr/lib/tidegate/agent.toml.d/10.toml': MAIN,
        'etc/tidegate/agent.toml.d/20.toml': seed(6),
      },
      is: 6,
    },
    ...(['', null] as const).map((mask) => ({
      case: `${mask === null ? 'a link to /dev/null' : 'an empty file'} masks the drop-in of its name`,
      files: {
        'usr/lib/tidegate/agent.toml': MAIN.replace('[server]', 'seed = 7\n[server]'),
        'usr/lib/tidegate/agent.toml.d/10.toml': seed(1),
        'etc/tidegate/agent.toml.d/10.toml': mask,
      },
      is: 7,
    })),
    {
      case: 'a masked main file leaves the drop-ins',
      files: {
        'usr/lib/tidegate/agent.toml': 'colour = 1\n',
        'etc/tidegate/agent.toml': null,
        'etc/tidegate/agent.toml.d/10.toml': `${MAIN}[poll]\ninterval = "1 minute"\n`,
        'etc/tidegate/agent.toml.d/20.toml': seed(8),
      },
      is: 8,
    },
  ])('$case', async ({ files, is }) => {
    await using host = await setup(files);
    const loaded = await host.load();
    expect(loaded.config.host.seed).toBe(is);
    expect(valueOf(loaded, 'health.timeout')).toBe('5 minutes');
  });

  it('merges tables key by key, and replaces lists as a whole', async () => {
    await using host = await setup({
      'etc/tidegate/agent.toml': `${MAIN}[health]\ncommand = ['a', 'b', 'c']\ntimeout = '1 minute'\n[host.labels]\nrack = 'r1'\nzone = 'z1'\n`,
      'etc/tidegate/agent.toml.d/10.toml':
        "health.command = ['d']\n[host]\nlabels = { rack = 'r2' }\n",
    });
    const { config } = await host.load();
    expect(config.health).toMatchObject({ command: ['d'], timeoutMs: 60_000 });
    expect(config.host.labels).toEqual({ rack: 'r2', zone: 'z1' });
  });

  it('starts a relative path at the folder of the file in which it stands', async () => {
    await using host = await setup({
      'usr/lib/tidegate/agent.toml': MAIN,
      'etc/tidegate/agent.toml.d/10.toml': "[slots]\npath = 'slots'\n",
    });
    const { config } = await host.load();
    expect(config).toMatchObject({
      trustAnchor: join(host.root, 'usr/lib/tidegate/root.json'),
      slots: { folder: join(host.root, 'etc/tidegate/slots') },
    });
  });

  it('names the drop-in and the line of what is wrong', async () => {
    await using host = await setup({
      'etc/tidegate/agent.toml': MAIN,
      'etc/tidegate/agent.toml.d/10.toml': '# why\n[host]\nsed = 1\n',
    });
    const path = join(host.root, 'etc/tidegate/agent.toml.d/10.toml');
    await expect(host.load()).rejects.toMatchObject({
      code: 'agent/config',
      message: `${path}, line 3: unknown key host.sed`,
    });
  });

  it('tells what lies among the drop-ins and is none', async () => {
    await using host = await setup({
      'etc/tidegate/agent.toml': MAIN,
      'etc/tidegate/agent.toml.d/10.tml': seed(1),
      'etc/tidegate/agent.toml.d/20.toml~': seed(2),
      'etc/tidegate/agent.toml.d/30.toml/x': seed(3),
    });
    const { config, ignored } = await host.load();
    expect(ignored.map((path) => path.slice(host.root.length))).toEqual([
      '/etc/tidegate/agent.toml.d/10.tml',
      '/etc/tidegate/agent.toml.d/20.toml~',
      '/etc/tidegate/agent.toml.d/30.toml',
    ]);
    expect([1, 2, 3]).not.toContain(config.host.seed);
  });

  it('refuses a drop-in that leads nowhere', async () => {
    await using host = await setup({ 'etc/tidegate/agent.toml': MAIN });
    const folder = join(host.root, 'etc/tidegate/agent.toml.d');
    await mkdir(folder);
    await symlink('/nowhere/10.toml', join(folder, '10.toml'));
    await expect(host.load()).rejects.toMatchObject({
      code: 'agent/config',
      message: expect.stringContaining('10.toml: ENOENT'),
    });
  });

  it('says where it looked when there is none', async () => {
    await using host = await setup({});
    const error = await host.load().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'agent/config' });
    for (const folder of ['usr/lib', 'etc', 'run']) {
      expect(String(error)).toContain(join(host.root, folder, 'tidegate/agent.toml'));
    }
  });
});

describe('loadConfig of one file', () => {
  it('reads that file and its own drop-ins alone', async () => {
    await using host = await setup({
      'srv/a.toml': MAIN,
      'srv/a.toml.d/10.toml': seed(1),
      'srv/agent.toml.d/20.toml': seed(2),
      'run/tidegate/agent.toml.d/30.toml': seed(3),
    });
    const { config, files } = await host.loadFile('srv/a.toml');
    expect(config.host.seed).toBe(1);
    expect(config.trustAnchor).toBe(join(host.root, 'srv/root.json'));
    expect(files).toEqual(
      ['srv/a.toml', 'srv/a.toml.d/10.toml'].map((name) => join(host.root, name)),
    );
  });

  it('tells of every value who said it', async () => {
    await using host = await setup({
      'srv/a.toml': MAIN,
      'srv/a.toml.d/10.toml': "[slots]\npath = '/other'\n",
    });
    const { settings } = await host.loadFile('srv/a.toml');
    const originOf = (key: string) => settings.find((setting) => setting.key === key);
    expect(originOf('host.id')).toEqual({
      ...{ key: 'host.id', value: 'host-1' },
      origin: { kind: 'file', file: join(host.root, 'srv/a.toml'), line: 3 },
    });
    expect(originOf('slots.path')).toEqual({
      ...{ key: 'slots.path', value: '/other' },
      origin: { kind: 'file', file: join(host.root, 'srv/a.toml.d/10.toml'), line: 2 },
    });
    expect(originOf('poll.interval')).toEqual({
      ...{ key: 'poll.interval', value: '5 minutes', origin: { kind: 'default' } },
    });
    expect(originOf('reboot.command')?.value).toEqual(['systemctl', 'reboot']);
    expect(originOf('host.seed')?.origin).toEqual({ kind: 'derived', from: 'host.id' });
    expect(originOf('repository.targets-url')).toEqual({
      ...{ key: 'repository.targets-url', value: 'https://updates.example/repo/targets/' },
      origin: { kind: 'derived', from: 'server.url' },
    });
  });
});
