import { DeleteObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import type { ListObjectsV2CommandOutput } from '@aws-sdk/client-s3';
import { exactSize } from './exact-size.ts';
import { checkName, checkPrefix, isObjectName, nameAtEnd } from './names.ts';
import { checkRange } from './ranges.ts';
import { openPlace } from './s3-client.ts';
import type { S3Place } from './s3-client.ts';
import { request } from './s3-errors.ts';
import { uploadInParts } from './s3-multipart.ts';
import { proveConditionalPuts } from './s3-probe.ts';
import { lookAt, putObject, refusal } from './s3-put.ts';
import { getObject, headObject } from './s3-read.ts';
import { uploadStaged } from './s3-staging.ts';
import { formatS3Url, parseS3Url } from './s3-url.ts';
import { StorageError } from './storage.ts';
import type {
  ByteRange,
  ETag,
  ListedObject,
  ObjectStat,
  PutOptions,
  Storage,
  StoredObject,
  StreamName,
  StreamOptions,
} from './storage.ts';

// https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html: bytes of a key, its prefix included.
const MAX_KEY_LENGTH = 1024;
// A streamed object up to this size takes one request instead of three.
const IN_ONE_PUT = 256 * 1024;

/**
 * Opens `s3://bucket/prefix?endpoint=…&region=…&forcePathStyle=true`; what the URL does not say is read from `env` as
 * the AWS SDK does. For writing, it first proves that the store honours conditional puts, or throws `storage/unsafe`.
 */
export async function openS3Storage({
  url,
  access,
  env,
  answerMs,
}: {
  readonly url: string;
  readonly access: 'read' | 'write';
  readonly env: Readonly<Record<string, string | undefined>>;
  /** How long a store may be silent before a request counts as failed; 30 seconds if it is not given. */
  readonly answerMs?: number;
}): Promise<Storage> {
  const location = parseS3Url(url);
  const place = await openPlace(location, env, answerMs);
  try {
    if (access === 'write') await proveConditionalPuts(place);
    return new S3Storage(formatS3Url(location), place);
  } catch (error) {
    place.client.destroy();
    throw error;
  }
}

class S3Storage implements Storage {
  readonly url: string;
  readonly #place: S3Place;

  constructor(url: string, place: S3Place) {
    this.url = url;
    this.#place = place;
  }

  async stat(name: string): Promise<ObjectStat> {
    this.#check(name);
    const { size, etag } = await headObject(this.#place, name);
    return { size, etag };
  }

  async get(name: string, range?: ByteRange): Promise<StoredObject> {
    this.#check(name);
    checkRange(name, range);
    return getObject(this.#place, name, range);
  }

  async put(name: string, bytes: Uint8Array, options: PutOptions): Promise<ETag> {
    this.#check(name);
    return putObject(this.#place, name, bytes, options);
  }

  async putStream(
    name: StreamName,
    source: AsyncIterable<Uint8Array>,
    options: StreamOptions,
  ): Promise<ETag> {
    const condition = { kind: 'create-only' } as const;
    if (typeof name === 'string') {
      this.#check(name);
      // Saves sending gigabytes for nothing; the condition of the last step decides.
      if ((await lookAt(this.#place, name)) !== undefined) throw refusal(condition, name);
    }
    const nameIt = (): string => {
      const final = nameAtEnd(name);
      this.#check(final);
      return final;
    };
    const exact = exactSize(name, options.size, source);
    if (options.size > IN_ONE_PUT) {
      return typeof name === 'string'
        ? uploadInParts(this.#place, name, exact, options)
        : uploadStaged(this.#place, nameIt, exact, options);
    }
    const chunks: Uint8Array[] = [];
    for await (const chunk of exact) chunks.push(Uint8Array.from(chunk));
    const { cacheControl } = options;
    return putObject(this.#place, nameIt(), Buffer.concat(chunks), { condition, cacheControl });
  }

  async *list(prefix: string): AsyncGenerator<ListedObject> {
    checkPrefix(prefix);
    const { client, bucket, keyOf, patience } = this.#place;
    const hidden = keyOf('').length;
    let token: string | undefined;
    do {
      const page: ListObjectsV2CommandOutput = await request(`listing ${this.url}`, () =>
        client.send(
          new ListObjectsV2Command({
            Bucket: bucket,
            Prefix: keyOf(prefix),
            ...(token === undefined ? {} : { ContinuationToken: token }),
          }),
          patience(),
        ),
      );
      for (const { Key: key = '', Size: size = 0, LastModified } of page.Contents ?? []) {
        const name = key.slice(hidden);
        // Markers of folders and keys that others put there are no objects of ours.
        // Every store says the time; one that did not must not make its objects look old.
        const modifiedAt = LastModified ?? new Date();
        if (isObjectName(name)) yield { name, size, modifiedAt };
      }
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
  }

  async delete(name: string): Promise<void> {
    this.#check(name);
    const { client, bucket, keyOf, patience } = this.#place;
    try {
      // One by one: stores disagree about DeleteObjects.
      await request(`deleting ${name}`, () =>
        client.send(new DeleteObjectCommand({ Bucket: bucket, Key: keyOf(name) }), patience()),
      );
    } catch (error) {
      if (!(error instanceof StorageError && error.code === 'storage/not-there')) throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#place.client.destroy();
  }

  #check(name: string): void {
    checkName(name);
    const { length } = this.#place.keyOf(name);
    if (length > MAX_KEY_LENGTH) {
      throw new StorageError('storage/name', `${name} makes a key of ${length} bytes, over 1024`);
    }
  }
}
