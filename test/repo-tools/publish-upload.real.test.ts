import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { makeWorkplace } from '../support/cli.ts';
import type { Workplace } from '../support/cli.ts';
import { initRepository, publishArguments, writeImages } from '../support/small-repository.ts';

const MIB = 1024 * 1024;
const CHILD = join(import.meta.dirname, '..', '..', 'bench', 'tidegate-child.ts');
const measuredSchema = z.object({ peakRssMiB: z.number() });

async function setup(rootBytes: number): Promise<Workplace> {
  const workplace = await makeWorkplace();
  workplace.now = new Date();
  await initRepository(workplace);
  await writeImages(workplace, 'first');
  // Sparse: it costs no disk to read, and is as long as a real one.
  await using file = await open(join(workplace.folder, 'big.img'), 'w');
  await file.truncate(rootBytes);
  return workplace;
}

const bigArguments = (version: string) =>
  publishArguments(version).map((text) => (text === 'root=r.img.zst' ? 'root=big.img' : text));

function start(workplace: Workplace, version: string) {
  return spawn(process.execPath, [CHILD, ...bigArguments(version)], {
    cwd: workplace.folder,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}

async function verified(workplace: Workplace): Promise<unknown> {
  return JSON.parse(await workplace.must('repo', 'verify', 'file:R', '--json'));
}

describe('tidegate publish of a large image', () => {
  it('takes 1 GiB in less than 200 MB of memory', async () => {
    await using workplace = await setup(1024 * MIB);
    const child = start(workplace, '1.0.0');
    const out: string[] = [];
    child.stdout.on('data', (chunk) => out.push(String(chunk)));
    await once(child, 'close');
    expect(child.exitCode).toBe(0);
    const { peakRssMiB } = measuredSchema.parse(JSON.parse(out.join('')));
    expect(peakRssMiB * MIB).toBeLessThan(200_000_000);
  });

  it('leaves no half target when it is killed in the middle, and lands when it is run again', async () => {
    await using workplace = await setup(512 * MIB);
    const child = start(workplace, '1.0.0');
    const ended = once(child, 'close');
    const temporary = join(workplace.folder, 'R', '.tidegate', 'tmp');
    const largest = async (): Promise<number> => {
      const names = await readdir(temporary).catch(() => []);
      const sizes = names.map((name) =>
        stat(join(temporary, name)).then(
          ({ size }) => size,
          () => 0,
        ),
      );
      return Math.max(0, ...(await Promise.all(sizes)));
    };
    while ((await largest()) < 16 * MIB && child.exitCode === null) await setImmediate();
    child.kill('SIGKILL');
    await ended;
    expect(child.signalCode).toBe('SIGKILL');
    const targets = await readdir(join(workplace.folder, 'R', 'targets'));
    expect(targets.filter((name) => name.endsWith('1.0.0-root'))).toEqual([]);
    expect(await verified(workplace)).toMatchObject({ targets: 1, failures: [] });
    await workplace.must(...bigArguments('1.0.0'));
    expect(await verified(workplace)).toMatchObject({ targets: 5, failures: [] });
  });
});
