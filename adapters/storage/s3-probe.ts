import { randomUUID } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { patience } from './s3-client.ts';
import type { S3Place } from './s3-client.ts';
import { request, translateS3Error, unquotedETag } from './s3-errors.ts';
import { StorageError } from './storage.ts';

const STALE_ETAG = '00000000000000000000000000000000';

type Scratch = { readonly place: S3Place; readonly Bucket: string; readonly Key: string };

/**
 * Proves with a scratch key, which it removes, that the store honours each condition that puts rely on. Throws
 * `storage/unsafe` when it does not, because two publishers would then silently undo each other's work.
 */
export async function proveConditionalPuts(place: S3Place): Promise<void> {
  // No object name begins with a dot: should the key stay behind, nobody sees it.
  const Key = place.keyOf(`.tidegate-probe-${randomUUID()}`);
  const scratch: Scratch = { place, Bucket: place.bucket, Key };
  try {
    const etag = await putOrUnsafe(scratch, 'a create-only put', { IfNoneMatch: '*' });
    await mustBeRefused('a second create-only put', () => put(scratch, { IfNoneMatch: '*' }));
    await mustBeRefused('a put with a stale If-Match', () => put(scratch, { IfMatch: STALE_ETAG }));
    await putOrUnsafe(scratch, 'a put with the right If-Match', { IfMatch: etag });
    await proveMultipart(scratch);
  } finally {
    const { Bucket } = scratch;
    await place.client.send(new DeleteObjectCommand({ Bucket, Key }), patience()).catch(ignore);
  }
}

async function proveMultipart({ place, Bucket, Key }: Scratch): Promise<void> {
  const { UploadId } = await request('starting a multipart upload', () =>
    place.client.send(new CreateMultipartUploadCommand({ Bucket, Key }), patience()),
  );
  try {
    const { ETag } = await request('uploading a part', () =>
      place.client.send(
        new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: 1, Body: Buffer.from('part') }),
        patience(),
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
        patience(),
      ),
    );
  } finally {
    await place.client
      .send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }), patience())
      .catch(ignore);
  }
}

async function put(
  { place, Bucket, Key }: Scratch,
  condition: { readonly IfNoneMatch: string } | { readonly IfMatch: string },
): Promise<string> {
  const { ETag } = await place.client.send(
    // Each put has other bytes, so that a store cannot mistake a replacement for the same object.
    new PutObjectCommand({ Bucket, Key, Body: Buffer.from(randomUUID()), ...condition }),
    patience(),
  );
  return unquotedETag(ETag, 'putting the scratch key');
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
