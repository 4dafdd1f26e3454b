// One installation of an image, or the least that one could do for it, in a process of its own, which then prints what it
// took: time without the start of Node, and the peak of its memory.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { get } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { performance } from 'node:perf_hooks';
import type { Readable } from 'node:stream';
import { downloadImage } from '../agent/download.ts';
import { directorySlots } from '../agent/slots/directory.ts';
import { parseRelease } from '../core/release.ts';
import { peakRssMiB } from '../test/support/peak-rss.ts';

const [mode, url = '', path = '', stored = '', documentPath = ''] = process.argv.slice(2);
const started = performance.now();
await (mode === 'install' ? install() : floor());
const ms = performance.now() - started;
process.stdout.write(JSON.stringify({ ms, peakRssMiB: peakRssMiB() }));

/** What the agent does between the check of the room and the activation. */
async function install(): Promise<void> {
  const document = readFileSync(documentPath);
  const [image] = Object.values(parseRelease(document).images);
  if (image === undefined) throw new Error('no image');
  const slots = directorySlots(path);
  const [length = '', sha256 = ''] = stored.split(':');
  await slots.clearInactive();
  await downloadImage(slots, 'root', { file: { url, length: Number(length), sha256 }, image });
  await slots.sealInactive(document);
}

/** SHA-256 while writing, fsync, the page cache dropped, read back, SHA-256. */
async function floor(): Promise<void> {
  const written = createHash('sha256');
  await using handle = await open(path, 'w');
  const source: AsyncIterable<Uint8Array> = await openSource();
  for await (const chunk of source) {
    written.update(chunk);
    await handle.write(chunk);
  }
  await handle.sync();
  spawnSync('dd', [`if=${path}`, 'iflag=nocache', 'count=0']);
  const read = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) {
    read.update(chunk);
  }
  if (read.digest('hex') !== written.digest('hex'))
    throw new Error('read other bytes than written');
}

/** From loopback as they are, or out of the format's own program. */
function openSource(): Promise<Readable> | Readable {
  if (mode !== 'floor') return spawn(mode ?? '', ['-dcq', stored], { stdio: 'pipe' }).stdout;
  return new Promise<IncomingMessage>((resolve, reject) => {
    get(url, resolve).on('error', reject);
  });
}
