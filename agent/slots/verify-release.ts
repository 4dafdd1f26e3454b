import { VerityError } from '../../core/verity/errors.ts';
import { HashImageScan } from '../../core/verity/scan-hash-image.ts';
import { TreeVerifier } from '../../core/verity/verify-tree.ts';
import type { WantedBlock } from '../../core/verity/verify-tree.ts';
import type { Release } from '../../core/release.ts';
import { AgentError } from '../errors.ts';
import { verifyImage } from './verify-image.ts';

/** How a kind of slots reads back the images of its inactive slot. */
export type ReadBack = {
  /** An image whole, past the page cache; a chunk may be overwritten when the next one is asked for. */
  read(name: string): AsyncIterable<Uint8Array>;
  /** Bytes of an image that are the caller's to keep; fewer only at its end. */
  readAt(name: string, offset: number, length: number): Promise<Uint8Array>;
};

type Verity = NonNullable<Release['verity']>;
type Reading = { readonly images: ReadBack; readonly verity: Verity };

/** Hash blocks are read this many bytes at a time. */
const RUN_BYTES = 64 * 1024;

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
  for (const [name, expected] of entries) {
    const source = images.read(name);
    if (name === verity?.hashImage) {
      await verifyImage(name, scanned(source, scan, name), expected);
    } else if (name === verity?.image) {
      await verifyImage(name, compared(source, scan, { images, verity }), expected);
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
  { images, verity: { image, hashImage, rootHash } }: Reading,
) {
  const { superblock } = await explained(hashImage, () => scan.end());
  const verifier = await explained(hashImage, () => new TreeVerifier(superblock, rootHash));
  const hashBlock = hashBlockReader((offset, length) => images.readAt(hashImage, offset, length));
  for await (const chunk of source) {
    await explained(image, async () => {
      const work = verifier.push(chunk);
      for (let step = work.next(); step.done !== true;) {
        step = work.next(await hashBlock(step.value));
      }
    });
    yield chunk;
  }
  await explained(image, () => verifier.end());
}

/** The blocks of one level are wanted in their order, so one read serves several. */
function hashBlockReader(readAt: (offset: number, length: number) => Promise<Uint8Array>) {
  const runs = new Map<number, { readonly offset: number; readonly bytes: Uint8Array }>();
  return async ({ level, offset, length }: WantedBlock): Promise<Uint8Array> => {
    const run = runs.get(level);
    const at = run === undefined ? -1 : offset - run.offset;
    if (run !== undefined && at >= 0 && at + length <= run.bytes.length) {
      return run.bytes.subarray(at, at + length);
    }
    const bytes = await readAt(offset, Math.max(length, RUN_BYTES));
    runs.set(level, { offset, bytes });
    return bytes.subarray(0, length);
  };
}

async function explained<T>(name: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (!(cause instanceof VerityError)) throw cause;
    throw new AgentError('agent/image', `image ${name}: ${cause.message}`, { cause });
  }
}
