import { readdir, readFile, readlink, stat, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { loadConfig, readConfig } from '../../agent/config.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { makePackage, mustRun, run } from './made-package.ts';
import type { MadePackage } from './made-package.ts';

const EPOCH = { SOURCE_DATE_EPOCH: '1700000000' };
const CONFIG = 'etc/tidegate/agent.toml';
const SOURCE = join(import.meta.dirname, '..', '..', 'packaging', 'systemd');
const UNITS = 'usr/lib/systemd/system';
const WANTS = 'etc/systemd/system';
const ENABLED = [
  'multi-user.target.wants/tidegate-agent-confirm.service',
  'sysinit.target.wants/tidegate-agent-deadline.timer',
  'timers.target.wants/tidegate-agent-once.timer',
];

let made: MadePackage;
let deb = '';
beforeAll(async () => {
  made = await makePackage(['--deb'], { env: EPOCH });
  deb = await made.debPath();
}, 600_000);
afterAll(async () => {
  await made[Symbol.asyncDispose]();
});

/** A machine without anything on it but dpkg's own memory. */
async function emptyRoot() {
  const { path, [Symbol.asyncDispose]: dispose } = await temporaryFolder();
  const memory = join(path, 'var/lib/dpkg');
  for (const folder of ['info', 'updates']) await mkdir(join(memory, folder), { recursive: true });
  for (const file of ['status', 'available']) await writeFile(join(memory, file), '');
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };
  return {
    path,
    // An empty machine has no libc to depend on and no shell to run scripts with: they run outside, and are told where.
    dpkg: (...parameters: readonly string[]) =>
      mustRun(
        'dpkg',
        [
          ...[`--root=${path}`, '--force-not-root', '--force-script-chrootless'],
          ...['--force-depends', ...parameters],
        ],
        { env },
      ),
    /** What lies below a folder of it, if it is there at all. */
    files: async (folder: string) =>
      (await filesBelow(path))
        .filter((file) => file.startsWith(`${folder}/`))
        .map((file) => file.slice(folder.length + 1)),
    systemctl: (...parameters: readonly string[]) =>
      mustRun('systemctl', [`--root=${path}`, ...parameters], { env }),
    [Symbol.asyncDispose]: dispose,
  };
}

describe('the Debian package', () => {
  it('is the same bytes again, whatever the user mask and the time zone are', async () => {
    await using again = await makePackage(['--deb'], {
      mask: '077',
      env: { ...EPOCH, TZ: 'Asia/Tokyo' },
    });
    expect(again.said).toBe(made.said);
  });

  it('belongs to root, and has the time that it was told to have', async () => {
    const lines = (await mustRun('dpkg-deb', ['--contents', deb], { env: process.env })).trim();
    for (const line of lines.split('\n')) {
      expect(line).toMatch(/^[-d](?:rwxr-xr-x|rw-r--r--) root\/root .* 2023-11-14 \d\d:\d\d \.\//);
    }
  });

  it('says of everything in it under which terms it may be given away', async () => {
    await using root = await emptyRoot();
    await root.dpkg('--install', deb);
    const terms = await readFile(join(root.path, 'usr/share/doc/tidegate-agent/copyright'), 'utf8');
    for (const title of ['Tidegate', 'Node.js', 'zod 4.6.7'])
      expect(terms).toContain(`## ${title}\n`);
  });

  it('installs a program that runs, units, and links that enable them', async () => {
    await using root = await emptyRoot();
    await root.dpkg('--install', deb);
    const program = join(root.path, 'usr/bin/tidegate');
    expect((await stat(program)).mode & 0o7777).toBe(0o755);
    expect((await run(program, ['agent', '--help'])).code).toBe(0);
    expect(await root.files(UNITS)).toEqual(await filesBelow(SOURCE));
    expect(await root.files(WANTS)).toEqual(ENABLED);
    for (const link of ENABLED) {
      const unit = join('/', UNITS, link.split('/')[1] ?? '');
      expect((await readlink(join(root.path, WANTS, link))).replace(/^\/(?:usr\/)?/, '/usr/')).toBe(
        unit,
      );
    }
  });

  it('brings a configuration that holds once the lines that only a host can know are filled in', async () => {
    await using root = await emptyRoot();
    await root.dpkg('--install', deb);
    const path = join(root.path, CONFIG);
    await expect(readConfig(path)).rejects.toMatchObject({ code: 'agent/config' });
    const text = await readFile(path, 'utf8');
    await writeFile(path, text.replaceAll(/^# (\w+ = )/gm, '$1'));
    expect(await readConfig(path)).toMatchObject({
      stateFolder: '/var/lib/tidegate',
      trustAnchor: '/etc/tidegate/root.json',
      slots: { kind: 'directory', folder: '/var/lib/tidegate/slots' },
    });
  });

  it('has a release on trial wait for boot-complete.target, unless the host says otherwise', async () => {
    await using root = await emptyRoot();
    await root.dpkg('--install', deb);
    const text = await readFile(join(root.path, CONFIG), 'utf8');
    await writeFile(join(root.path, CONFIG), text.replaceAll(/^# (\w+ = )/gm, '$1'));
    const health = async () =>
      (await loadConfig({ kind: 'standard', root: root.path })).config.health;
    expect(await health()).toMatchObject({ unit: 'boot-complete.target', timeoutMs: 420_000 });
    const own = join(root.path, 'etc/tidegate/agent.toml.d/10-boot-complete.toml');
    await mkdir(join(own, '..'));
    await writeFile(own, '');
    expect(await health()).toMatchObject({ unit: null });
  });

  it('keeps the configuration and what it knows when it is removed, and leaves no configuration when purged', async () => {
    await using root = await emptyRoot();
    await root.dpkg('--install', deb);
    await writeFile(join(root.path, CONFIG), '# changed by its owner\n');
    const state = join(root.path, 'var/lib/tidegate');
    await mkdir(state, { recursive: true });
    await writeFile(join(state, 'journal.json'), '{}');
    await root.dpkg('--remove', 'tidegate-agent');
    expect(await root.files('usr')).toEqual([]);
    expect(await readFile(join(root.path, CONFIG), 'utf8')).toBe('# changed by its owner\n');
    await root.dpkg('--purge', 'tidegate-agent');
    expect(await root.files('etc')).toEqual([]);
    expect(await root.files('var/lib/tidegate')).toEqual(['journal.json']);
    expect(await root.files('var/lib/systemd')).toEqual([]);
  });

  it('leaves a changed configuration, and a unit that was disabled, as they are when it is installed anew', async () => {
    await using root = await emptyRoot();
    await root.dpkg('--install', deb);
    await writeFile(join(root.path, CONFIG), '# changed by its owner\n');
    const [timer = ''] = ENABLED.filter((link) => link.endsWith('once.timer'));
    await root.systemctl('disable', 'tidegate-agent-once.timer');
    await root.dpkg('--install', deb);
    expect(await root.files(WANTS)).toEqual(ENABLED.filter((link) => link !== timer));
    expect(await readFile(join(root.path, CONFIG), 'utf8')).toBe('# changed by its owner\n');
  });
});

async function filesBelow(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .toSorted();
}
