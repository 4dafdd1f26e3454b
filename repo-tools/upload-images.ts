import {
  findUploaded,
  uploadHashedOnTheWay,
  uploadTarget,
} from '../adapters/repository/targets.ts';
import type { Storage } from '../adapters/storage/storage.ts';
import { imageLength, inspectImage, passOver } from './images.ts';
import type { ImageSource, InspectedImage } from './images.ts';

/** Told how far a long step is, so that a person can be shown it; `end` comes once for each `begin`. */
export type ProgressListener = {
  begin(label: string, totalBytes: number): { advance(bytes: number): void; end(): void };
};

/** An image file that is there, and the target that it is to become. */
export type MeasuredImage = ImageSource & { readonly target: string; readonly length: number };

/** Before anything is hashed or sent: every file is there. */
export async function measureImages(
  images: readonly ImageSource[],
  targetOf: (image: ImageSource) => string,
): Promise<readonly MeasuredImage[]> {
  const measured = [];
  for (const image of images) {
    measured.push({ ...image, target: targetOf(image), length: await imageLength(image) });
  }
  return measured;
}

/** Hashes the images and sends nothing. */
export async function hashImages(
  images: readonly MeasuredImage[],
  listener: ProgressListener,
): Promise<readonly InspectedImage[]> {
  const inspected = [];
  for (const image of images) inspected.push(await hashImage('hash', image, listener));
  return inspected;
}

/**
 * Brings the images under their content addresses in one pass over each. One that an earlier run has sent is found by
 * its target name and length, hashed, and not sent again.
 */
export async function uploadImages(
  storage: Storage,
  images: readonly MeasuredImage[],
  listener: ProgressListener,
): Promise<readonly InspectedImage[]> {
  const present = await findUploaded(
    storage,
    images.map(({ target, length }) => ({ name: target, length })),
  );
  const uploaded = [];
  for (const image of images) {
    const hashes = present.get(image.target) ?? [];
    uploaded.push(
      hashes.length === 0
        ? await upload(storage, image, listener)
        : await uploadUnless(hashes, { storage, image, listener }),
    );
  }
  return uploaded;
}

async function upload(
  storage: Storage,
  image: MeasuredImage,
  listener: ProgressListener,
): Promise<InspectedImage> {
  return withProgress(`upload ${image.image}`, image.length, listener, async (advance) => {
    const { bytes, result } = passOver(image, advance);
    await uploadHashedOnTheWay(storage, {
      name: image.target,
      size: image.length,
      source: bytes,
      sha256: () => result().sha256,
    });
    return result();
  });
}

/** Something of this name and length is there: most likely this image, from a run that did not come to its end. */
async function uploadUnless(
  hashes: readonly string[],
  {
    storage,
    image,
    listener,
  }: {
    readonly storage: Storage;
    readonly image: MeasuredImage;
    readonly listener: ProgressListener;
  },
): Promise<InspectedImage> {
  const inspected = await hashImage('check', image, listener);
  if (hashes.includes(inspected.sha256)) return inspected;
  await withProgress(`upload ${image.image}`, image.length, listener, (advance) =>
    uploadTarget(storage, {
      name: image.target,
      size: inspected.length,
      sha256: inspected.sha256,
      open: () => passOver(image, advance).bytes,
    }),
  );
  return inspected;
}

function hashImage(
  verb: 'hash' | 'check',
  image: MeasuredImage,
  listener: ProgressListener,
): Promise<InspectedImage> {
  return withProgress(`${verb} ${image.image}`, image.length, listener, (advance) =>
    inspectImage(image, advance),
  );
}

async function withProgress<T>(
  label: string,
  totalBytes: number,
  listener: ProgressListener,
  action: (advance: (bytes: number) => void) => Promise<T>,
): Promise<T> {
  const progress = listener.begin(label, totalBytes);
  try {
    return await action((bytes) => progress.advance(bytes));
  } finally {
    progress.end();
  }
}
