import { VerityError } from '../../core/verity/errors.ts';
import { HashImageScan } from '../../core/verity/scan-hash-image.ts';
import { TreeVerifier } from '../../core/verity/verify-tree.ts';
import type { Release } from '../../core/release.ts';
import { AgentError } from '../errors.ts';
import { readAhead } from './read-ahead.ts';
import { verifyImage } from './verify-image.ts';

/** A part of an image. */
export type ImagePart = { readonly offset: number; readonly length: number };

/** How a kind of slots reads back the images of its inactive slot: past the page cache. */
export type ReadBack = {
  /** An image or a part of it; a chunk may be overwritten when the next one is asked for. */
  read(name: string, part?: ImagePart): AsyncIterable<Uint8Array>;
};

/** All of an image, by its signed size. */
export function wholeOf({ images }: Pick<Release, 'images'>, name: string): ImagePart {
  return { offset: 0, length: images[name]?.size ?? 0 };
}

type Verity = NonNullable<Release['verity']>;
type Reading = {
  readonly images: ReadBack;
  readonly verity: Verity;
  readonly hashImageSize: number;
};

/**
 * Compares every image with the signed document, each read once: its size and SHA-256, and with dm-verity all of the data and
 * the hash tree with the signed root hash. Throws `agent/image`.
 */
export async function verifyRelease(
  { images: described, verity }: Pick<Release, 'images' | 'verity'>,
  images: ReadBack,
): Promise<void> {
  const scan = new HashImageScan();
  // The hash image first: it says how the data is to be read.
  const entries = Object.entries(described).toSorted(
    ([a], [b]) => Number(b === verity?.hashImage) - Number(a === verity?.hashImage),
  );
  const hashImageSize = described[verity?.hashImage ?? '']?.size ?? 0;
  for (const [name, expected] of entries) {
    const source = images.read(name);
    if (name === verity?.hashImage) {
      await verifyImage(name, scanned(source, scan, name), expected);
    } else if (name === verity?.image) {
      await verifyImage(name, compared(source, scan, { images, verity, hashImageSize }), expected);
    } else {
      await verifyImage(name, source, expected);
    }
  }
}

async function* scanned(source: AsyncIterable<Uint8Array>, scan: HashImageScan, name: string) {
  for await (const chunk of source) {
    await explained(name, () => scan.push(chunk));
    yield chunk;
  }
}

async function* compared(
  source: AsyncIterable<Uint8Array>,
  scan: HashImageScan,
  { images, verity: { image, hashImage, rootHash }, hashImageSize }: Reading,
) {
  const { superblock } = await explained(hashImage, () => scan.end());
  const verifier = await explained(hashImage, () => new TreeVerifier(superblock, rootHash));
  // The blocks of one level are wanted in their order, so one read serves several.
  const hashBlock = readAhead(hashImageSize, (offset, length) =>
    images.read(hashImage, { offset, length }),
  );
  for await (const chunk of source) {
    await explained(image, async () => {
      const work = verifier.push(chunk);
      for (let step = work.next(); step.done !== true;) {
        step = work.next(await hashBlock(step.value.offset, step.value.length));
      }
    });
    yield chunk;
  }
  await explained(image, () => verifier.end());
}

async function explained<T>(name: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (!(cause instanceof VerityError)) throw cause;
    throw new AgentError('agent/image', `image ${name}: ${cause.message}`, { cause });
  }
}
