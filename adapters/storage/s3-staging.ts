import { randomUUID } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import type { S3Place } from './s3-client.ts';
import { request } from './s3-errors.ts';
import { createInParts, JOINING_MS, uploadInParts } from './s3-multipart.ts';
import { lookAt, refusal } from './s3-put.ts';
import type { ETag, StreamOptions } from './storage.ts';

// No object name begins with a dot, so nothing in here is ever listed or served as an object of ours.
const STAGING = '.tidegate-staging';
// No upload runs for a week; what is older was left by a killed writer.
const ABANDONED_AFTER_MS = 7 * 24 * 60 * 60 * 1000;
// A part may be copied from 5 GiB at most; smaller ones are copied side by side.
const COPIED_PART = 1024 ** 3;

/**
 * Streams an object whose name is known at its end: it is uploaded under a staging key, copied within the store in one
 * create-only step, and the staging key is removed, whatever happens. Also removes what killed writers left there.
 */
export async function uploadStaged(
  place: S3Place,
  nameAtEnd: () => string,
  source: AsyncIterable<Uint8Array>,
  options: StreamOptions,
): Promise<ETag> {
  await removeAbandonedStaging(place, Date.now());
  const staging = `${STAGING}/${randomUUID()}`;
  try {
    const etag = await uploadInParts(place, staging, source, options);
    const name = nameAtEnd();
    if ((await lookAt(place, name)) !== undefined) throw refusal({ kind: 'create-only' }, name);
    return await copyInParts(place, { staging, etag, name }, options);
  } finally {
    // What cannot be removed now is removed as abandoned later.
    await remove(place, place.keyOf(staging)).catch(() => undefined);
  }
}

/**
 * As an upload in parts, because that honours a create-only condition wherever the store was proved to, which CopyObject
 * does not, and because it has no limit of 5 GiB.
 */
function copyInParts(
  place: S3Place,
  { staging, etag, name }: { readonly staging: string; readonly etag: ETag; readonly name: string },
  { size, cacheControl }: StreamOptions,
): Promise<ETag> {
  return createInParts(place, name, cacheControl, {
    parts: spans(size),
    send: async (upload, { number, part: { start, end }, signal }) => {
      const { CopyPartResult: copied } = await request(`copying part ${number} of ${name}`, () =>
        place.client.send(
          new UploadPartCopyCommand({
            ...upload,
            PartNumber: number,
            CopySource: `${place.bucket}/${encodeURI(place.keyOf(staging))}`,
            CopySourceIfMatch: etag,
            CopySourceRange: `bytes=${start}-${end}`,
          }),
          { requestTimeout: JOINING_MS, abortSignal: signal },
        ),
      );
      return copied?.ETag;
    },
  });
}

async function* spans(
  size: number,
): AsyncGenerator<{ readonly start: number; readonly end: number }, void, undefined> {
  for (let start = 0; start < size; start += COPIED_PART) {
    yield { start, end: Math.min(size, start + COPIED_PART) - 1 };
  }
}

/** Removes staging keys and unfinished uploads of writers that were killed a week or more before `now`. */
export async function removeAbandonedStaging(place: S3Place, now: number): Promise<void> {
  const at = { Bucket: place.bucket, Prefix: place.keyOf(`${STAGING}/`) };
  const isAbandoned = (since: Date | undefined): boolean =>
    since !== undefined && now - since.getTime() > ABANDONED_AFTER_MS;
  try {
    // One page a time is enough: every upload comes here.
    const { Contents: objects = [] } = await place.client.send(
      new ListObjectsV2Command(at),
      place.patience(),
    );
    for (const { Key, LastModified } of objects) {
      if (Key !== undefined && isAbandoned(LastModified)) await remove(place, Key);
    }
    const { Uploads: uploads = [] } = await place.client.send(
      new ListMultipartUploadsCommand(at),
      place.patience(),
    );
    for (const { Key, UploadId, Initiated } of uploads) {
      if (isAbandoned(Initiated)) {
        const { Bucket } = at;
        await place.client.send(
          new AbortMultipartUploadCommand({ Bucket, Key, UploadId }),
          place.patience(),
        );
      }
    }
  } catch {
    // Whoever may write need not be allowed to list uploads; what is left costs storage and nothing else.
  }
}

async function remove({ client, bucket, patience }: S3Place, key: string): Promise<void> {
  await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }), patience());
}
