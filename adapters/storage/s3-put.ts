import { setTimeout } from 'node:timers/promises';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import type { S3Place } from './s3-client.ts';
import { translateS3Error, unquotedETag } from './s3-errors.ts';
import { headObject } from './s3-read.ts';
import type { S3Head } from './s3-read.ts';
import { newWriteId, traceOf } from './s3-write-id.ts';
import type { WriteId } from './s3-write-id.ts';
import { StorageError } from './storage.ts';
import type { CacheControl, ETag, PutCondition, PutOptions } from './storage.ts';

const MAX_TRIES = 6;
const LONGEST_PAUSE_MS = 100;

/** Puts a small object under a condition; throws `storage/already-there` or `storage/changed` when it does not hold. */
export async function putObject(
  place: S3Place,
  name: string,
  bytes: Uint8Array,
  { condition, cacheControl }: PutOptions,
): Promise<ETag> {
  // A store may reset the connection of a put that it refuses, so ask before sending.
  const before = await lookAt(place, name);
  if (!holds(condition, before)) throw refusal(condition, name);
  const write = newWriteId(before);
  for (let tries = 1; ; tries += 1) {
    try {
      const { ETag: etag } = await place.client.send(
        new PutObjectCommand({
          Bucket: place.bucket,
          Key: place.keyOf(name),
          Body: bytes,
          ContentLength: bytes.byteLength,
          Metadata: write.metadata,
          ...headersOf(name, cacheControl),
          ...(condition.kind === 'create-only'
            ? { IfNoneMatch: '*' }
            : { IfMatch: condition.etag }),
        }),
        place.patience(bytes.byteLength),
      );
      return unquotedETag(etag, `putting ${name}`);
    } catch (error) {
      const failure = translateS3Error(error, `putting ${name}`);
      const etag = await settle(place, name, { write, condition, failure });
      if (etag !== undefined) return etag;
      if (tries === MAX_TRIES) {
        throw new StorageError('storage/unavailable', `the store keeps refusing to put ${name}`, {
          cause: error,
        });
      }
    }
    await setTimeout(Math.random() * LONGEST_PAUSE_MS);
  }
}

/**
 * Finds out by the object itself what a put did that got a refusal or no answer: its ETag if it took effect, undefined
 * if it may be tried again, or throws.
 */
export async function settle(
  place: S3Place,
  name: string,
  {
    write,
    condition,
    failure,
  }: { readonly write: WriteId; readonly condition: PutCondition; readonly failure: unknown },
): Promise<ETag | undefined> {
  if (!isUnclear(failure)) throw failure;
  const now = await lookAt(place, name);
  if (now !== undefined) {
    const trace = traceOf(write, now);
    if (trace === 'newest') return now.etag;
    // Ours took effect and was replaced. Its ETag is unknown; this one matches nothing, as that would by now.
    if (trace === 'replaced') return `replaced-${write.id}`;
  }
  if (!holds(condition, now)) throw refusal(condition, name, failure);
  // The condition held all the time or holds again: a refusal came from a conflict that is over.
  if (failure.code === 'storage/changed') return undefined;
  throw failure;
}

/** The object of this name, or undefined. */
export async function lookAt(place: S3Place, name: string): Promise<S3Head | undefined> {
  try {
    return await headObject(place, name);
  } catch (error) {
    if (error instanceof StorageError && error.code === 'storage/not-there') return undefined;
    throw error;
  }
}

export function headersOf(
  name: string,
  cacheControl: CacheControl,
): { readonly ContentType: string; readonly CacheControl: string } {
  return {
    ContentType: name.endsWith('.json') ? 'application/json' : 'application/octet-stream',
    CacheControl: cacheControl === 'immutable' ? 'public, max-age=31536000, immutable' : 'no-cache',
  };
}

export function refusal(condition: PutCondition, name: string, cause?: unknown): StorageError {
  return condition.kind === 'create-only'
    ? new StorageError('storage/already-there', `${name} exists already`, { cause })
    : new StorageError('storage/changed', `${name} is not the object that was read`, { cause });
}

function holds(condition: PutCondition, found: S3Head | undefined): boolean {
  return condition.kind === 'create-only'
    ? found === undefined
    : found !== undefined && found.etag === condition.etag;
}

// A conflict or lost condition may be the SDK's second try meeting its first; 404 is how some answer a lost If-Match.
function isUnclear(failure: unknown): failure is StorageError {
  return (
    failure instanceof StorageError &&
    ['storage/changed', 'storage/not-there', 'storage/unavailable'].includes(failure.code)
  );
}
