import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { open, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { createZstdCompress } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { downloadImage } from '../../agent/download.ts';
import { directorySlots } from '../../agent/slots/directory.ts';
import { viewSlots } from '../../agent/slots/gpt-bits.ts';
import { GptSlots } from '../../agent/slots/gpt.ts';
import type { ImageWriter } from '../../agent/slots/slots.ts';
import { PART_NAMES, SLOT_TYPES } from '../../core/gpt/sets.ts';
import { nextToBoot } from '../../core/gpt/slot-bits.ts';
import type { ImageFormat } from '../../core/tuf/names.ts';
import { tool } from '../boot/parts.ts';
import { PRIVATE_TYPE } from '../support/gpt-samples.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { serve } from './loopback-server.ts';
import { releaseDocument } from './slots/releases.ts';

const GIB = 2 ** 30;
const MIB = 2 ** 20;
const SIZE = 5 * GIB;
const MARKS = [0, 4 * GIB - 2, 4 * GIB + 3 * MIB, SIZE - 6];

/** A file with hardly a block on the disk, and with something to find on both sides of 4 GiB. */
async function writeSparse(path: string, size: number): Promise<void> {
  await using handle = await open(path, 'w');
  await handle.truncate(size);
  for (const at of MARKS.filter((mark) => mark < size)) await handle.write(`${at}`.slice(-6), at);
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: MIB }), hash);
  return hash.digest('hex');
}

/** Counts instead of keeping: what is written is hashed by the download itself. */
function countingSlots() {
  let count = 0;
  const writer: ImageWriter = {
    write: async (chunk) => {
      count += chunk.length;
    },
    restart: async () => {
      count = 0;
    },
    finish: async () => {},
    abandon: async () => {},
  };
  return { writeImage: async () => writer, written: () => count };
}

/** Where root of slot B begins on the disk of `largeDisk`: behind the table, the whole of slot A, and boot of slot B. */
const ROOT_B_AT = SIZE + 4 * MIB;

/** A disk image, hardly a block of it on the disk, whose slots have room for the image. */
async function largeDisk(folder: string) {
  const disk = join(folder, 'disk.img');
  const kernelCommandLine = join(folder, 'cmdline');
  await writeFile(kernelCommandLine, 'quiet');
  await writeFile(disk, '');
  await truncate(disk, 2 * SIZE + 16 * MIB);
  const mib = { boot: 1, root: SIZE / MIB, hash: 1 };
  const slots = ['a', 'b'].flatMap(() =>
    PART_NAMES.map((name) => ({ type: SLOT_TYPES[name], mib: mib[name] })),
  );
  const partitions = [...slots, { type: PRIVATE_TYPE, mib: 1 }];
  const made = partitions.flatMap(({ type, mib: size }, index) => [
    `--new=${index + 1}:0:+${size}M`,
    `--typecode=${index + 1}:${type}`,
  ]);
  await tool('sgdisk', ...made, disk);
  return { disk, kernelCommandLine, stateFolder: join(folder, 'state'), tries: 3 };
}

describe('an image of 5 GiB', () => {
  it('is downloaded as raw and as zstd, and resumed behind 4 GiB', async () => {
    await using folder = await temporaryFolder();
    const raw = join(folder.path, 'raw');
    const zstd = join(folder.path, 'zstd');
    await writeSparse(raw, SIZE);
    await pipeline(
      createReadStream(raw, { highWaterMark: MIB }),
      createZstdCompress(),
      createWriteStream(zstd),
    );
    const breakAt = 4 * GIB + 1_000_001;
    await using server = await serve((request, response) => {
      const path = request.url === '/raw' ? raw : zstd;
      const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
      const last = SIZE - 1;
      const range = start === 0 ? {} : { 'content-range': `bytes ${start}-${last}/${SIZE}` };
      response.writeHead(start === 0 ? 200 : 206, { etag: '"1"', ...range });
      const end = path === raw && start === 0 ? { end: breakAt - 1 } : {};
      createReadStream(path, { start, ...end, highWaterMark: MIB }).pipe(response);
    });
    const sha256 = await sha256Of(raw);
    const download = async (format: ImageFormat, path: string) => {
      const slots = countingSlots();
      const { size: length } = await stat(path);
      const file = { url: `${server.url}${format}`, length, sha256: await sha256Of(path) };
      const waiting = { random: () => 0, pause: async () => {} };
      const image = { format, size: SIZE, sha256 };
      await downloadImage(slots, 'root', { file, image }, { waiting });
      return slots.written();
    };
    expect(await download('raw', raw)).toBe(SIZE);
    expect(server.requests.map(({ headers }) => headers.range)).toEqual([
      undefined,
      `bytes=${breakAt}-`,
    ]);
    expect(await download('zstd', zstd)).toBe(SIZE);
  });

  it('is read back, compared with the root hash that veritysetup found, and sealed', async () => {
    await using folder = await temporaryFolder();
    const slots = directorySlots(folder.path);
    await slots.clearInactive();
    const [root, hash] = [join(folder.path, 'a', 'root'), join(folder.path, 'a', 'hash')];
    await writeSparse(root, SIZE);
    const { stdout } = await promisify(execFile)('veritysetup', ['format', root, hash]);
    const rootHash = /Root hash:\s+([0-9a-f]+)/.exec(stdout)?.[1] ?? '';
    const described = async (path: string) => ({
      size: (await stat(path)).size,
      sha256: await sha256Of(path),
    });
    const images = { root: await described(root), hash: await described(hash) };
    const verity = { image: 'root', hashImage: 'hash', rootHash };
    await slots.sealInactive(releaseDocument('1.0.0', images, verity));
    await slots.activate('1.0.0');
    expect((await slots.read()).active?.release.version).toBe('1.0.0');
  });

  it('is written into a GPT partition behind 4 GiB of the disk, read back from the medium, and booted next', async () => {
    await using folder = await temporaryFolder();
    const source = join(folder.path, 'source');
    await writeSparse(source, SIZE);
    const options = await largeDisk(folder.path);
    const slots = new GptSlots({ ...options, active: 'a' });
    await slots.clearInactive();
    const writer = await slots.writeImage('root', SIZE);
    for await (const chunk of createReadStream(source, { highWaterMark: MIB })) {
      await writer.write(chunk);
    }
    await writer.finish();
    const images = { root: { size: SIZE, sha256: await sha256Of(source) } };
    await slots.sealInactive(releaseDocument('1.0.0', images, null));
    await slots.activate('1.0.0');
    expect(nextToBoot((await viewSlots({ ...options, active: 'a' })).pair)).toBe('b');
    await using disk = await open(options.disk, 'r');
    const read = async (mark: number) => {
      const { buffer } = await disk.read(Buffer.alloc(6), 0, 6, ROOT_B_AT + mark);
      return buffer.toString('latin1').replaceAll('\0', '');
    };
    expect(await Promise.all(MARKS.map(read))).toEqual(MARKS.map((mark) => `${mark}`.slice(-6)));
  });
});
