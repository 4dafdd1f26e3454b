import { randomUUID } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { z } from 'zod';
import type { S3Place } from './s3-client.ts';
import { request, translateS3Error, unquotedETag } from './s3-errors.ts';
import { StorageError } from './storage.ts';

// Answers and errors of the SDK alike say how often it sent the request.
const Outcome = z.object({ $metadata: z.object({ attempts: z.number().optional() }) });

const STALE_ETAG = '00000000000000000000000000000000';

/** So many puts at once of one name: one that checks first and writes later lets more than one of them in. */
const RIVALS = 4;
const MAX_PROOFS = 3;

type Scratch = {
  readonly place: S3Place;
  readonly Bucket: string;
  readonly Key: string;
  /** Whether the SDK sent a request again by itself: then a refusal may come from meeting its own first try. */
  isRepeated: boolean;
};

/**
 * Proves with scratch keys, which it removes, that the store honours each condition that puts rely on, also of several at
 * once. Throws `storage/unsafe` when it does not, because two publishers would then silently undo each other's work.
 */
export async function proveConditionalPuts(place: S3Place): Promise<void> {
  for (let proof = 1; ; proof += 1) {
    // No object name begins with a dot: should the key stay behind, nobody sees it.
    const Key = place.keyOf(`.tidegate-probe-${randomUUID()}`);
    const scratch: Scratch = { place, Bucket: place.bucket, Key, isRepeated: false };
    const rivals: Scratch = { ...scratch, Key: `${Key}-rivals` };
    try {
      await proveOneByOne(scratch);
      await proveAtOnce(rivals);
      return;
    } catch (error) {
      const isUnsafe = error instanceof StorageError && error.code === 'storage/unsafe';
      if (!isUnsafe || !scratch.isRepeated || proof === MAX_PROOFS) throw error;
    } finally {
      await remove(scratch);
      await remove(rivals);
    }
  }
}

async function proveOneByOne(scratch: Scratch): Promise<void> {
  const etag = await putOrUnsafe(scratch, 'a create-only put', { IfNoneMatch: '*' });
  await mustBeRefused('a second create-only put', () => put(scratch, { IfNoneMatch: '*' }));
  await mustBeRefused('a put with a stale If-Match', () => put(scratch, { IfMatch: STALE_ETAG }));
  await putOrUnsafe(scratch, 'a put with the right If-Match', { IfMatch: etag });
  await proveMultipart(scratch);
}

async function proveAtOnce(scratch: Scratch): Promise<void> {
  const puts = Array.from({ length: RIVALS }, () => put(scratch, { IfNoneMatch: '*' }));
  const accepted = (await Promise.allSettled(puts)).filter(({ status }) => status === 'fulfilled');
  if (accepted.length > 1) {
    throw unsafe(`${accepted.length} create-only puts of one name at once were all accepted`);
  }
}

async function remove({ place, Bucket, Key }: Scratch): Promise<void> {
  await place.client.send(new DeleteObjectCommand({ Bucket, Key }), place.patience()).catch(ignore);
}

async function proveMultipart({ place, Bucket, Key }: Scratch): Promise<void> {
  const { UploadId } = await request('starting a multipart upload', () =>
    place.client.send(new CreateMultipartUploadCommand({ Bucket, Key }), place.patience()),
  );
  try {
    const { ETag } = await request('uploading a part', () =>
      place.client.send(
        new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: 1, Body: Buffer.from('part') }),
        place.patience(),
      ),
    );
    await mustBeRefused('a create-only multipart upload', () =>
      place.client.send(
        new CompleteMultipartUploadCommand({
          Bucket,
          Key,
          UploadId,
          IfNoneMatch: '*',
          MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] },
        }),
        place.patience(),
      ),
    );
  } finally {
    await place.client
      .send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }), place.patience())
      .catch(ignore);
  }
}

async function put(
  scratch: Scratch,
  condition: { readonly IfNoneMatch: string } | { readonly IfMatch: string },
): Promise<string> {
  const { place, Bucket, Key } = scratch;
  try {
    const { ETag, $metadata } = await place.client.send(
      // Each put has other bytes, so that a store cannot mistake a replacement for the same object.
      new PutObjectCommand({ Bucket, Key, Body: Buffer.from(randomUUID()), ...condition }),
      place.patience(),
    );
    scratch.isRepeated ||= attemptsOf({ $metadata }) > 1;
    return unquotedETag(ETag, 'putting the scratch key');
  } catch (error) {
    scratch.isRepeated ||= attemptsOf(error) > 1;
    throw error;
  }
}

function attemptsOf(outcome: unknown): number {
  return Outcome.safeParse(outcome).data?.$metadata.attempts ?? 1;
}

async function putOrUnsafe(
  scratch: Scratch,
  what: string,
  condition: Parameters<typeof put>[1],
): Promise<string> {
  try {
    return await put(scratch, condition);
  } catch (error) {
    const failure = translateS3Error(error, what);
    // The scratch key is ours alone, so the condition holds: whoever says otherwise does not understand it.
    if (isRefusal(failure)) throw unsafe(`${what} was refused although it had to succeed`, failure);
    throw failure;
  }
}

async function mustBeRefused(what: string, send: () => Promise<unknown>): Promise<void> {
  try {
    await send();
  } catch (error) {
    const failure = translateS3Error(error, what);
    if (isRefusal(failure) && failure.code !== 'storage/unsafe') return;
    throw isRefusal(failure) ? unsafe(`${what} is not known to it`, failure) : failure;
  }
  throw unsafe(`${what} was accepted although it had to be refused`);
}

function isRefusal(failure: unknown): failure is StorageError {
  return (
    failure instanceof StorageError &&
    (failure.code === 'storage/changed' || failure.code === 'storage/unsafe')
  );
}

function unsafe(what: string, cause?: unknown): StorageError {
  return new StorageError('storage/unsafe', `the store does not honour conditional puts: ${what}`, {
    cause,
    hints: [
      'AWS S3, Ceph radosgw and versitygw honour If-Match and If-None-Match; Garage up to 2.5 ignores them',
      'a proxy or CDN in front of the store must pass If-Match and If-None-Match on',
      'or keep the repository in a folder: file:/path/to/repository',
    ],
  });
}

function ignore(): void {}
