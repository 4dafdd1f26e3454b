import { createHash } from 'node:crypto';
import { CompressionError, decompress } from '../adapters/compression/decompress.ts';
import type { ReleaseImage } from '../core/release.ts';
import { AgentError } from './errors.ts';
import { FileRestarted, RemoteFileReader } from './remote-file.ts';
import type { FetchOptions, RemoteFile } from './remote-file.ts';
import { garbageLimit } from './garbage-limit.ts';
import type { ImageWriter, Slots } from './slots/slots.ts';

export type ImageSource = {
  readonly file: RemoteFile;
  readonly image: Pick<ReleaseImage, 'format' | 'size' | 'sha256'>;
};

/**
 * Streams an image once: from the network through its hash, decompression and the hash of the raw bytes straight into the
 * cleared inactive slot, durable at the end. A broken connection is resumed where it broke; after a restart of the agent the
 * image begins anew, because neither hash nor decompressor can be continued from the disk. Throws AgentError: `agent/image`
 * for wrong bytes, `agent/too-large`, `agent/unreachable`, `agent/not-there`, `agent/answer`, `agent/stopped`, and those of
 * the slots. Nothing is sealed here.
 */
export async function downloadImage(
  slots: Pick<Slots, 'writeImage'>,
  name: string,
  { file, image }: ImageSource,
  options: FetchOptions = {},
): Promise<void> {
  const writer = await slots.writeImage(name, image.size);
  try {
    await writeImage(writer, new RemoteFileReader(file, options), { name, image });
    await writer.finish();
  } catch (error) {
    await writer.abandon();
    throw error;
  }
}

type NamedImage = { readonly name: string; readonly image: ImageSource['image'] };

async function writeImage(
  writer: ImageWriter,
  reader: RemoteFileReader,
  what: NamedImage,
): Promise<void> {
  for (let source: RemoteFileReader = reader; ;) {
    try {
      await writeOnce(writer, source, what);
      return;
    } catch (error) {
      if (!(error instanceof FileRestarted)) {
        source.close();
        source = source.anew(error);
      }
      await writer.restart();
    }
  }
}

async function writeOnce(
  writer: ImageWriter,
  reader: RemoteFileReader,
  { name, image }: NamedImage,
): Promise<void> {
  const hash = createHash('sha256');
  const limitGarbage = garbageLimit();
  let size = 0;
  try {
    for await (const chunk of decompress(image.format, reader.bytes(), { limit: image.size })) {
      hash.update(chunk);
      size += chunk.length;
      await writer.write(chunk);
      limitGarbage(chunk.length);
    }
  } catch (cause) {
    if (!(cause instanceof CompressionError)) throw cause;
    throw new AgentError('agent/image', `image ${name}: ${cause.message}`, { cause });
  }
  reader.verify();
  const sha256 = hash.digest('hex');
  if (size !== image.size || sha256 !== image.sha256) {
    throw new AgentError(
      'agent/image',
      `image ${name} must have ${image.size} raw bytes with SHA-256 ${image.sha256}, got ${size} with ${sha256}`,
    );
  }
}
