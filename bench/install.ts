import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { IMAGE_FORMATS } from '../core/tuf/names.ts';
import type { ImageFormat } from '../core/tuf/names.ts';
import { makeImages, serveImages } from './install-images.ts';
import type { BenchImage } from './install-images.ts';
import { measureChild, measureProgram } from './measured-process.ts';
import { positive } from './options.ts';
import { peakOfInstallation } from './packaged-agent.ts';
import { median, rounded, scratchFolder, spread } from './runs.ts';

const ROOT = join(import.meta.dirname, '..');
/** Built, as a host has it: what strips the types of TypeScript at run time takes more memory than the installation. */
const CHILD = join(import.meta.dirname, '.work/bench/install-child.js');

type Place = { readonly cwd: string; readonly url: string };
type Ratio = { readonly vsFloor: number; readonly peakRssMiB: number };

/**
 * `vsFloor`: the time of the least that an installation could do for a raw image, over that of the installation; the other
 * two the same for compressed images, whose floor has the bytes from the format's own program. `peakRssMiB` is the most of
 * all installations; `agentPeakRssMiB` that of the packaged agent which `--agent` names, in a whole cycle.
 */
export async function benchInstall(
  print: (line: string) => void,
  argv: readonly string[],
): Promise<object> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      mib: { type: 'string', default: '1024' },
      runs: { type: 'string', default: '3' },
      agent: { type: 'string' },
      format: { type: 'string', multiple: true, default: [...IMAGE_FORMATS] },
    },
  });
  const mib = positive('--mib', values.mib);
  const runs = positive('--runs', values.runs);
  await measureProgram(ROOT, 'node_modules/.bin/tsc', ['-p', 'bench/tsconfig.install.json']);
  await using folder = await scratchFolder();
  const all = await makeImages(folder.path, mib);
  const images = all.filter(({ format }) => values.format.includes(format));
  await using server = await serveImages(images);
  const place = { cwd: folder.path, url: server.url };
  const ratios = new Map<ImageFormat, Ratio>();
  for (const image of images) {
    ratios.set(image.format, await compare(image, { place, mib, runs, print }));
  }
  const peaks = [...ratios.values()].map(({ peakRssMiB }) => peakRssMiB);
  const packaged =
    values.agent === undefined
      ? {}
      : { agentPeakRssMiB: Math.round(await largestPeak(values.agent, images, print)) };
  const vsFloor = (format: ImageFormat) => {
    const ratio = ratios.get(format);
    return ratio === undefined ? null : rounded(ratio.vsFloor);
  };
  return {
    vsFloor: vsFloor('raw'),
    peakRssMiB: Math.round(Math.max(...peaks)),
    zstdVsFloor: vsFloor('zstd'),
    lz4VsFloor: vsFloor('lz4'),
    ...packaged,
  };
}

/** Of the packaged agent with each image, in a repository and against a server of its own. */
async function largestPeak(
  program: string,
  images: readonly BenchImage[],
  print: (line: string) => void,
): Promise<number> {
  const peaks: number[] = [];
  for (const { format, path } of images) {
    await using folder = await scratchFolder();
    const peakRssMiB = await peakOfInstallation(folder.path, resolve(program), path);
    print(`${format}: agent once, ${peakRssMiB.toFixed(0)} MiB`);
    peaks.push(peakRssMiB);
  }
  return Math.max(...peaks);
}

async function compare(
  image: BenchImage,
  {
    place,
    mib,
    runs,
    print,
  }: {
    readonly place: Place;
    readonly mib: number;
    readonly runs: number;
    readonly print: (line: string) => void;
  },
): Promise<Ratio> {
  const [floor, ours, peaks]: [number[], number[], number[]] = [[], [], []];
  for (let run = 0; run <= runs; run += 1) {
    const floorMs = await floorOnce(image, place);
    const { ms, peakRssMiB } = await installOnce(image, place);
    // The first round warms the page cache and the disk up.
    if (run === 0) continue;
    floor.push(floorMs);
    ours.push(ms);
    peaks.push(peakRssMiB);
    const figures = `install ${ms.toFixed(0)} ms, ${peakRssMiB.toFixed(0)} MiB`;
    print(`${image.format} run ${run}: ${figures}, floor ${floorMs.toFixed(0)} ms`);
  }
  print(`${image.format} ${mib} MiB: install ${spread(ours)}, floor ${spread(floor)}`);
  return { vsFloor: median(floor) / median(ours), peakRssMiB: Math.max(...peaks) };
}

async function floorOnce(image: BenchImage, { cwd, url }: Place): Promise<number> {
  const path = join(cwd, 'floor');
  const mode = image.format === 'raw' ? 'floor' : image.format;
  const { ms } = await measureChild(cwd, CHILD, [mode, `${url}${image.format}`, path, image.path]);
  await rm(path);
  return ms;
}

async function installOnce(image: BenchImage, { cwd, url }: Place) {
  const { format, length, sha256, document } = image;
  const slots = join(cwd, 'slots');
  const argv = ['install', `${url}${format}`, slots, `${length}:${sha256}`, document];
  const measured = await measureChild(cwd, CHILD, argv);
  await rm(slots, { recursive: true });
  return measured;
}
