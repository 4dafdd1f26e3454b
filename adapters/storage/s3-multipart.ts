import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import type { CompletedPart } from '@aws-sdk/client-s3';
import type { S3Place } from './s3-client.ts';
import { request, translateS3Error, unquotedETag } from './s3-errors.ts';
import { headersOf, settle } from './s3-put.ts';
import { newWriteId } from './s3-write-id.ts';
import type { WriteId } from './s3-write-id.ts';
import { StorageError } from './storage.ts';
import type { CacheControl, ETag, StreamOptions } from './storage.ts';

const MIB = 1024 * 1024;
const SMALLEST_PART = 8 * MIB;
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
const MOST_PARTS = 10_000;
const AT_ONCE = 3;
// Stores may join gigabytes before they answer.
export const JOINING_MS = 10 * 60 * 1000;

/**
 * Uploads in parts and makes the object appear in one create-only step. Holds at most `AT_ONCE` + 1 parts in memory; on
 * any failure nothing is left in the bucket. What `source` throws is thrown as it is.
 */
export async function uploadInParts(
  place: S3Place,
  name: string,
  source: AsyncIterable<Uint8Array>,
  { size, cacheControl }: StreamOptions,
): Promise<ETag> {
  const parts = inParts(source, partSizeFor(size));
  return createInParts(place, name, cacheControl, {
    parts,
    send: async (upload, { number, part: bytes, signal }) => {
      const { ETag: etag } = await request(`uploading part ${number} of ${name}`, () =>
        place.client.send(
          new UploadPartCommand({
            ...upload,
            PartNumber: number,
            Body: bytes,
            ContentLength: bytes.byteLength,
          }),
          { ...place.patience(bytes.byteLength), abortSignal: signal },
        ),
      );
      return etag;
    },
  });
}

export type MultipartUpload = {
  readonly Bucket: string;
  readonly Key: string;
  readonly UploadId: string;
};

/** What an upload is made of, and how one part of it gets into the store; `send` gives the part's ETag. */
export type PartSender<Part> = {
  readonly parts: AsyncIterable<Part>;
  readonly send: (
    upload: MultipartUpload,
    part: { readonly number: number; readonly part: Part; readonly signal: AbortSignal },
  ) => Promise<string | undefined>;
};

/** Creates an object from parts in one create-only step; on any failure no part is left in the bucket. */
export async function createInParts<Part>(
  place: S3Place,
  name: string,
  cacheControl: CacheControl,
  sender: PartSender<Part>,
): Promise<ETag> {
  const write = newWriteId();
  const { UploadId: uploadId } = await request(`starting to upload ${name}`, () =>
    place.client.send(
      new CreateMultipartUploadCommand({
        Bucket: place.bucket,
        Key: place.keyOf(name),
        Metadata: write.metadata,
        ...headersOf(name, cacheControl),
      }),
      place.patience(),
    ),
  );
  if (uploadId === undefined) {
    throw new StorageError('storage/unavailable', `uploading ${name}: the store gave no id`);
  }
  const upload = { Bucket: place.bucket, Key: place.keyOf(name), UploadId: uploadId };
  let isComplete = false;
  try {
    const parts = await sendParts(upload, sender);
    const etag = await complete(place, { name, upload, parts, write });
    isComplete = true;
    return etag;
  } finally {
    if (!isComplete) await abort(place, upload);
  }
}

async function sendParts<Part>(
  upload: MultipartUpload,
  { parts, send }: PartSender<Part>,
): Promise<CompletedPart[]> {
  const done: CompletedPart[] = [];
  const underWay = new Set<Promise<void>>();
  const stop = new AbortController();
  try {
    let count = 0;
    for await (const part of parts) {
      count += 1;
      const number = count;
      const sent = send(upload, { number, part, signal: stop.signal });
      // A part that failed stays in the set, so that the next wait meets its failure.
      const task = sent.then((etag) => {
        done.push({ PartNumber: number, ETag: etag });
        underWay.delete(task);
      });
      task.catch(() => undefined);
      underWay.add(task);
      if (underWay.size >= AT_ONCE) await Promise.race(underWay);
    }
    await Promise.all(underWay);
    return done.toSorted((a, b) => (a.PartNumber ?? 0) - (b.PartNumber ?? 0));
  } catch (error) {
    // A part that arrives after the abort would stay in the bucket.
    stop.abort();
    await Promise.allSettled(underWay);
    throw error;
  }
}

async function complete(
  place: S3Place,
  {
    name,
    upload,
    parts,
    write,
  }: {
    readonly name: string;
    readonly upload: MultipartUpload;
    readonly parts: CompletedPart[];
    readonly write: WriteId;
  },
): Promise<ETag> {
  const what = `completing ${name}`;
  try {
    const { ETag: etag } = await place.client.send(
      new CompleteMultipartUploadCommand({
        ...upload,
        IfNoneMatch: '*',
        MultipartUpload: { Parts: parts },
      }),
      { requestTimeout: JOINING_MS },
    );
    return unquotedETag(etag, what);
  } catch (error) {
    const condition = { kind: 'create-only' } as const;
    const failure = translateS3Error(error, what);
    const etag = await settle(place, name, { write, condition, failure });
    if (etag !== undefined) return etag;
    // S3 wants all parts again after a conflict, and the source cannot be read twice.
    throw new StorageError('storage/unavailable', `uploading ${name} met a conflict`, {
      cause: error,
      hints: ['another writer or a deletion was at work on the same name: try again'],
    });
  }
}

async function abort(place: S3Place, upload: MultipartUpload): Promise<void> {
  // The failure that led here is what the caller needs to know.
  await place.client
    .send(new AbortMultipartUploadCommand(upload), place.patience())
    .catch(() => undefined);
}

function partSizeFor(size: number): number {
  return Math.max(SMALLEST_PART, Math.ceil(size / MOST_PARTS / MIB) * MIB);
}

async function* inParts(
  source: AsyncIterable<Uint8Array>,
  partSize: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let part = Buffer.allocUnsafe(partSize);
  let filled = 0;
  for await (const chunk of source) {
    for (let at = 0; at < chunk.byteLength;) {
      const taken = chunk.subarray(at, at + partSize - filled);
      part.set(taken, filled);
      filled += taken.byteLength;
      at += taken.byteLength;
      if (filled === partSize) {
        yield part;
        part = Buffer.allocUnsafe(partSize);
        filled = 0;
      }
    }
  }
  if (filled > 0) yield part.subarray(0, filled);
}
