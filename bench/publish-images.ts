import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { copyFile, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { measureTidegate } from './measured-process.ts';
import { median, scratchFolder, spread } from './runs.ts';

const MIB = 1024 * 1024;
/** Together 1 GiB. */
const IMAGES = { boot: 40, root: 944, hash: 40 } as const;
const RUNS = 5;

export type ImagesResult = { readonly vsFloor: number; readonly peakRssMiB: number };

/**
 * The time of publishing 1 GiB of images into a folder, over that of hashing and copying the same files one after the
 * other, durably as a published file must be. Both in turn, both without the start of their process.
 */
export async function benchImages(print: (line: string) => void): Promise<ImagesResult> {
  await using folder = await scratchFolder();
  const cwd = folder.path;
  for (const [image, mib] of Object.entries(IMAGES)) await writeImage(join(cwd, image), mib);
  await measureTidegate(cwd, ['key', 'new', '--type', 'ed25519', '--out', 'key.pem']);
  const [floor, ours, peaks]: [number[], number[], number[]] = [[], [], []];
  for (let run = 0; run <= RUNS; run += 1) {
    await touchMemory(cwd);
    const floorMs = await hashAndCopy(cwd);
    const { ms, peakRssMiB } = await publishOnce(cwd);
    // The first round warms the page cache and the disk up.
    if (run === 0) continue;
    floor.push(floorMs);
    ours.push(ms);
    peaks.push(peakRssMiB);
    print(`run ${run}: publish ${ms.toFixed(0)} ms, sha256 + copy ${floorMs.toFixed(0)} ms`);
  }
  print(`publish 1 GiB: ${spread(ours)}, sha256 + copy: ${spread(floor)}`);
  return { vsFloor: median(ours) / median(floor), peakRssMiB: Math.max(...peaks) };
}

/**
 * A virtual machine gets memory from its host at the first touch, which costs more than the copy that is measured: touch
 * what the page cache will use for either side, and give it back.
 */
async function touchMemory(cwd: string): Promise<void> {
  const copies = Array.from({ length: 6 }, (_, index) => join(cwd, `touch-${index}`));
  for (const copy of copies) await copyFile(join(cwd, 'root'), copy);
  for (const copy of copies) await rm(copy);
}

async function publishOnce(cwd: string): Promise<Awaited<ReturnType<typeof measureTidegate>>> {
  const key = 'file:key.pem';
  const init = [
    'repo',
    'init',
    'file:R',
    '--single-key',
    key,
    '--release-key',
    `bench:x86_64=${key}`,
  ];
  await measureTidegate(cwd, init);
  const measured = await measureTidegate(cwd, [
    ...['publish', 'file:R', '--variant', 'bench', '--arch', 'x86_64', '--version', '1.0.0'],
    ...Object.keys(IMAGES).flatMap((image) => ['--image', `${image}=${image}`]),
    ...['--release-key', key, '--online-key', key],
  ]);
  await rm(join(cwd, 'R'), { recursive: true });
  return measured;
}

async function hashAndCopy(cwd: string): Promise<number> {
  await mkdir(join(cwd, 'copy'));
  const started = performance.now();
  for (const image of Object.keys(IMAGES)) {
    const hash = createHash('sha256');
    for await (const chunk of createReadStream(join(cwd, image), { highWaterMark: MIB })) {
      hash.update(chunk);
    }
    hash.digest('hex');
    const copy = join(cwd, 'copy', image);
    await copyFile(join(cwd, image), copy);
    await using handle = await open(copy, 'r+');
    await handle.sync();
  }
  const ms = performance.now() - started;
  await rm(join(cwd, 'copy'), { recursive: true });
  return ms;
}

async function writeImage(path: string, mib: number): Promise<void> {
  await using handle = await open(path, 'wx');
  for (let written = 0; written < mib; written += 1) await handle.write(randomBytes(MIB));
  await handle.sync();
}
