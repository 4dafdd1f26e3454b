import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { formatRelease } from '../core/release.ts';
import { imageTarget } from '../core/tuf/names.ts';
import type { ImageFormat } from '../core/tuf/names.ts';
import { measureProgram } from './measured-process.ts';

const MIB = 1024 * 1024;

/** An image as it is stored, and the release document that names it. */
export type BenchImage = {
  readonly format: ImageFormat;
  readonly path: string;
  readonly length: number;
  readonly sha256: string;
  readonly document: string;
};

/** An image of which half can be compressed, in each format. */
export async function makeImages(cwd: string, mib: number): Promise<readonly BenchImage[]> {
  const raw = join(cwd, 'root');
  const out = createWriteStream(raw);
  for (let written = 0; written < mib; written += 1) {
    const half = randomBytes(MIB / 2);
    if (!out.write(Buffer.concat([half, Buffer.alloc(MIB / 2, half.subarray(0, 1024))]))) {
      await once(out, 'drain');
    }
  }
  out.end();
  await once(out, 'close');
  await measureProgram(cwd, 'zstd', ['-q', '-3', 'root', '-o', 'root.zst']);
  await measureProgram(cwd, 'lz4', ['-q', 'root', 'root.lz4']);
  const described = { size: mib * MIB, sha256: await sha256Of(raw) };
  const image = async (format: ImageFormat, path: string): Promise<BenchImage> => {
    const document = join(cwd, `${format}.json`);
    await writeFile(document, releaseOf(format, described));
    const { size: length } = await stat(path);
    return { format, path, length, sha256: await sha256Of(path), document };
  };
  return [
    await image('raw', raw),
    await image('zstd', join(cwd, 'root.zst')),
    await image('lz4', join(cwd, 'root.lz4')),
  ];
}

/** Serves the images by their formats' names, from this process. */
export async function serveImages(
  images: readonly BenchImage[],
): Promise<AsyncDisposable & { readonly url: string }> {
  const server = createServer((request, response) => {
    const image = images.find(({ format }) => request.url === `/${format}`);
    if (image === undefined) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'content-length': image.length });
    pipeline(createReadStream(image.path, { highWaterMark: MIB }), response).catch(() => undefined);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    url: `http://127.0.0.1:${address.port}/`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function releaseOf(
  format: ImageFormat,
  described: { readonly size: number; readonly sha256: string },
): Uint8Array {
  const platform = { variant: 'bench', arch: 'x86_64', version: '1.0.0' };
  const target = imageTarget({ ...platform, image: 'root', format });
  return formatRelease({
    ...{ schema: 'tidegate.release/1', ...platform },
    images: { root: { target, format, ...described } },
    ...{ verity: null, minimumFrom: null, rollbackTo: [], migrations: [], notes: null },
    createdAt: '2026-03-01T12:00:00Z',
  });
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: MIB })) hash.update(chunk);
  return hash.digest('hex');
}
