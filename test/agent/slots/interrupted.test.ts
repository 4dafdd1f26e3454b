import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from '@jest/globals';
import { directorySlots } from '../../../agent/slots/directory.ts';
import { readImageFile } from '../../../agent/slots/image-file.ts';
import { collect } from '../../support/bytes.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { install } from './install.ts';
import { sampleRelease } from './releases.ts';

const INSTALLER = join(import.meta.dirname, 'watched-installer.ts');
const SIZE = 20_000;

type Run = { readonly end: unknown; readonly lines: readonly string[] };

async function run(program: string, ...parameters: readonly string[]): Promise<Run> {
  const child = spawn(program, parameters, { stdio: ['ignore', 'pipe', 'inherit'] });
  const end = new Promise((resolve) => {
    child.on('close', (code, signal) => {
      resolve(signal ?? code);
    });
  });
  const out = await text(child.stdout);
  return { end: await end, lines: out.trimEnd().split('\n') };
}

/** The active version, after every byte of it was compared with what it must be. */
async function activeVersion(folder: string): Promise<string> {
  const { active } = await directorySlots(folder).read();
  const version = active?.release.version ?? 'none';
  for (const [name, bytes] of Object.entries(sampleRelease(version, SIZE).images)) {
    expect((await collect(readImageFile(join(folder, 'active', name)))).equals(bytes)).toBe(true);
  }
  return version;
}

/** Kills installations 1.0.0 -> 1.1.0 -> 1.0.0 … at the changes first, first + step, …; returns how many died. */
async function killAtChanges(folder: string, first: number, step: number): Promise<number> {
  await install(directorySlots(folder), sampleRelease('1.0.0', SIZE));
  for (let count = first, killed = 0; ; count += step, killed += 1) {
    const before = await activeVersion(folder);
    const wanted = before === '1.0.0' ? '1.1.0' : '1.0.0';
    const { end } = await run(process.execPath, INSTALLER, folder, wanted, String(count));
    const after = await activeVersion(folder);
    if (end === 0) {
      expect(after).toBe(wanted);
      return killed;
    }
    expect(end).toBe('SIGKILL');
    expect([before, wanted]).toContain(after);
  }
}

describe('an installation that is killed at any change to the disk', () => {
  it('leaves an active slot with every byte of one release, and the next one goes on', async () => {
    await using even = await temporaryFolder();
    await using odd = await temporaryFolder();
    const killed = await Promise.all([
      killAtChanges(even.path, 2, 2),
      killAtChanges(odd.path, 1, 2),
    ]);
    expect(killed[0] + killed[1]).toBeGreaterThan(20);
  });
});

describe('an installation whose disk takes no more', () => {
  it('is told so, keeps the active slot, and works again when there is room', async () => {
    await using folder = await temporaryFolder();
    await install(directorySlots(folder.path), sampleRelease('1.0.0', SIZE));
    const limited = `trap '' XFSZ; ulimit -f 16; exec "$0" "$@"`;
    const full = await run(
      '/bin/sh',
      '-c',
      limited,
      process.execPath,
      INSTALLER,
      folder.path,
      '1.1.0',
    );
    expect([full.end, full.lines.at(-1)]).toEqual([1, 'refused agent/full']);
    expect(await activeVersion(folder.path)).toBe('1.0.0');
    expect((await directorySlots(folder.path).read()).inactive).toBeNull();
    const roomy = await run(process.execPath, INSTALLER, folder.path, '1.1.0');
    expect(roomy.end).toBe(0);
    expect(await activeVersion(folder.path)).toBe('1.1.0');
  });
});

describe('an installation', () => {
  // A power loss takes what was not synced, which no kill shows: so the order of the calls is held to.
  it('syncs every file and folder before what relies on it', async () => {
    await using folder = await temporaryFolder();
    await install(directorySlots(folder.path), sampleRelease('1.0.0', SIZE));
    await install(directorySlots(folder.path), sampleRelease('1.1.0', SIZE));
    const { lines } = await run(process.execPath, INSTALLER, folder.path, '1.2.0');
    const at = (line: string, from = 0) => {
      const index = lines.indexOf(line, from);
      expect([line, index >= 0]).toEqual([line, true]);
      return index;
    };
    const unsealed = at('rm ./a/sealed.json');
    const emptied = at('sync ./a', unsealed);
    expect(
      lines.findIndex((line) => line.startsWith('rm ./a/') && !line.endsWith('sealed.json')),
    ).toBeGreaterThan(emptied);

    const sealed = at('rename ./a/sealed.json.tmp ./a/sealed.json');
    for (const image of ['boot', 'root']) {
      const synced = at(`sync ./a/${image}`);
      expect(synced).toBeGreaterThan(lines.lastIndexOf(`write ./a/${image}`));
      expect(at('sync ./a', synced)).toBeLessThan(sealed);
    }
    const document = at('rename ./a/release.json.tmp ./a/release.json');
    expect(at('sync ./a/release.json.tmp')).toBeLessThan(document);
    expect(at('sync ./a', document)).toBeLessThan(sealed);
    expect(at('sync ./a/sealed.json.tmp')).toBeLessThan(sealed);

    const activated = at('rename ./active.tmp ./active');
    expect(at('sync ./a', sealed)).toBeLessThan(activated);
    expect(lines.slice(activated + 1)).toContain('sync .');
  });
});
