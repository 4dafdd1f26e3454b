import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { directorySlots } from '../../../agent/slots/directory.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { collect } from '../../support/bytes.ts';
import { readImageFile } from '../../../agent/slots/image-file.ts';
import { install } from './install.ts';
import { sampleRelease } from './releases.ts';

const INSTALLER = join(import.meta.dirname, 'killed-installer.ts');
const SIZE = 20_000;

/** Runs an installation that dies at its `count`th change; true if it came to its end before. */
async function installUntilKilled(
  folder: string,
  version: string,
  count: number,
): Promise<boolean> {
  const parameters = [INSTALLER, folder, version, String(count)];
  const child = spawn(process.execPath, parameters, { stdio: ['ignore', 'ignore', 'inherit'] });
  const end = await new Promise((resolve) => {
    child.on('close', (code, signal) => {
      resolve(signal ?? code);
    });
  });
  expect(['SIGKILL', 0]).toContain(end);
  return end === 0;
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

/** Kills installations 1.0.0 -> 1.1.0 -> 1.0.0 … at every change in [first, first + step, …]; returns how many died. */
async function killAtEveryChange(folder: string, first: number, step: number): Promise<number> {
  await install(directorySlots(folder), sampleRelease('1.0.0', SIZE));
  for (let count = first, killed = 0; ; count += step, killed += 1) {
    const before = await activeVersion(folder);
    const wanted = before === '1.0.0' ? '1.1.0' : '1.0.0';
    const isOver = await installUntilKilled(folder, wanted, count);
    const after = await activeVersion(folder);
    if (isOver) {
      expect(after).toBe(wanted);
      return killed;
    }
    expect([before, wanted]).toContain(after);
  }
}

describe('an installation that is killed at any change to the disk', () => {
  it('leaves an active slot with every byte of one release, and the next one goes on', async () => {
    await using even = await temporaryFolder();
    await using odd = await temporaryFolder();
    const killed = await Promise.all([
      killAtEveryChange(even.path, 1, 2),
      killAtEveryChange(odd.path, 2, 2),
    ]);
    expect(killed[0] + killed[1]).toBeGreaterThan(40);
  }, 120_000);
});
