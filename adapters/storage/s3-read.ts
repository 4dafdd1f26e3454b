import { GetObjectCommand, HeadObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import type { GetObjectCommandOutput } from '@aws-sdk/client-s3';
import { guardedBody } from './guarded-body.ts';
import { beyondTheEnd } from './ranges.ts';
import type { S3Place } from './s3-client.ts';
import { request, unquotedETag } from './s3-errors.ts';
import { StorageError } from './storage.ts';
import type { ByteRange, ObjectStat, StoredObject } from './storage.ts';

export type S3Head = ObjectStat & { readonly metadata: Readonly<Record<string, string>> };

export async function headObject(place: S3Place, name: string): Promise<S3Head> {
  const what = `looking at ${name}`;
  const head = await orNotThere(place, name, () =>
    request(what, () =>
      place.client.send(
        new HeadObjectCommand({ Bucket: place.bucket, Key: place.keyOf(name) }),
        place.patience(),
      ),
    ),
  );
  return {
    size: head.ContentLength ?? 0,
    etag: unquotedETag(head.ETag, what),
    metadata: head.Metadata ?? {},
  };
}

export async function getObject(
  place: S3Place,
  name: string,
  range?: ByteRange,
): Promise<StoredObject> {
  const what = `reading ${name}`;
  const got = await orNotThere(place, name, () =>
    request(what, () =>
      place.client.send(
        new GetObjectCommand({
          Bucket: place.bucket,
          Key: place.keyOf(name),
          ...(range === undefined ? {} : { Range: `bytes=${range.start}-${range.end ?? ''}` }),
        }),
        place.patience(),
      ),
    ),
  ).catch((error: unknown) => {
    const isBeyond = error instanceof StorageError && error.code === 'storage/range';
    throw isBeyond && range !== undefined ? beyondTheEnd(name, range, error) : error;
  });
  const { source, abandon } = streamOf(got, what);
  try {
    const { size, length } = extentOf(got, range, what);
    return {
      size,
      etag: unquotedETag(got.ETag, what),
      body: guardedBody(source, {
        name,
        expected: length,
        abandon,
        stalledAfterMs: place.answerMs,
      }),
    };
  } catch (error) {
    abandon();
    throw error;
  }
}

function extentOf(
  { ContentLength: length, ContentRange: contentRange }: GetObjectCommandOutput,
  range: ByteRange | undefined,
  what: string,
): { readonly size: number; readonly length: number } {
  if (length === undefined) {
    throw new StorageError('storage/unavailable', `${what}: the store sent no length`);
  }
  if (range === undefined) return { size: length, length };
  const [, start, size] = /^bytes (\d+)-\d+\/(\d+)$/.exec(contentRange ?? '') ?? [];
  if (Number(start) !== range.start) {
    throw new StorageError('storage/unavailable', `${what}: the store ignored the range`);
  }
  return { size: Number(size), length };
}

function streamOf(
  { Body: body }: GetObjectCommandOutput,
  what: string,
): { readonly source: AsyncIterable<Uint8Array>; readonly abandon: () => void } {
  // In Node it is always a Readable; the SDK's type also covers browsers.
  if (body === undefined || !('destroy' in body)) {
    throw new StorageError('storage/unavailable', `${what}: the store sent no body`);
  }
  return { source: body, abandon: () => void body.destroy() };
}

/**
 * A store answers 403, not 404, for a missing key to whoever may not list. One that lets us list and shows no such key
 * says that it is not there.
 */
async function orNotThere<T>(place: S3Place, name: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    if (error.code === 'storage/not-there' || (await isAmbiguous(place, name, error))) {
      throw new StorageError('storage/not-there', `there is no ${name}`, { cause: error });
    }
    throw error;
  }
}

async function isAmbiguous(place: S3Place, name: string, refusal: StorageError): Promise<boolean> {
  if (refusal.code !== 'storage/denied') return false;
  try {
    const key = place.keyOf(name);
    const { Contents: contents = [] } = await place.client.send(
      new ListObjectsV2Command({ Bucket: place.bucket, Prefix: key, MaxKeys: 1 }),
      place.patience(),
    );
    return contents[0]?.Key !== key;
  } catch {
    // The first refusal says it better.
    return false;
  }
}
