import { z } from 'zod';
import { StorageError } from './storage.ts';
import type { StorageErrorCode } from './storage.ts';

// What errors of the SDK, and of Node below it, tell. A 304 or 404 without a body has a made-up name: trust the status.
const Foreign = z.object({
  name: z.string().default(''),
  code: z.string().optional().catch(undefined),
  message: z.string().default(''),
  $metadata: z.object({ httpStatusCode: z.number().optional() }).optional(),
});

const BY_NAME: Readonly<Record<string, StorageErrorCode>> = {
  CredentialsProviderError: 'storage/denied',
  TokenProviderError: 'storage/denied',
  // versitygw answers 404 for an access key that it does not know.
  XAdminUserNotFound: 'storage/denied',
  InvalidAccessKeyId: 'storage/denied',
  SignatureDoesNotMatch: 'storage/denied',
  ExpiredToken: 'storage/denied',
  InvalidToken: 'storage/denied',
  // Not the object is missing, but the upload: somebody aborted it, or a first try completed it.
  NoSuchUpload: 'storage/unavailable',
  NoSuchBucket: 'storage/name',
  PermanentRedirect: 'storage/name',
  AuthorizationHeaderMalformed: 'storage/name',
  KeyTooLongError: 'storage/name',
  QuotaExceeded: 'storage/full',
  XMinioStorageFull: 'storage/full',
  EntityTooLarge: 'storage/full',
  NotImplemented: 'storage/unsafe',
};

const BY_STATUS: Readonly<Record<number, StorageErrorCode>> = {
  301: 'storage/name',
  307: 'storage/name',
  401: 'storage/denied',
  403: 'storage/denied',
  404: 'storage/not-there',
  409: 'storage/changed',
  412: 'storage/changed',
  416: 'storage/range',
  501: 'storage/unsafe',
  507: 'storage/full',
};

const HINTS: Readonly<Partial<Record<string, string>>> = {
  NoSuchBucket: 'make the bucket first, or check the bucket, endpoint and region',
  PermanentRedirect: 'the bucket is in another region: set ?region=… or AWS_REGION',
  AuthorizationHeaderMalformed: 'the bucket is in another region: set ?region=… or AWS_REGION',
  CredentialsProviderError: 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE',
  AccessDenied: 'reading needs s3:GetObject and s3:ListBucket, writing s3:PutObject too',
};

/** Turns an error of the SDK into a StorageError; `what` names the action and the object. Bugs are given back. */
export function translateS3Error(error: unknown, what: string): unknown {
  if (error instanceof StorageError) return error;
  const parsed = Foreign.safeParse(error);
  if (!parsed.success) return error;
  const { name, code: errno, message, $metadata } = parsed.data;
  if ($metadata === undefined && errno === undefined && BY_NAME[name] === undefined) return error;
  const status = $metadata?.httpStatusCode;
  const code =
    BY_NAME[name] ??
    (status === undefined ? undefined : BY_STATUS[status]) ??
    'storage/unavailable';
  const hint = HINTS[name];
  const got = status === undefined ? (errno ?? name) : `${name} (HTTP ${status})`;
  return new StorageError(code, `${what} failed with ${got}${message ? `: ${message}` : ''}`, {
    cause: error,
    hints: hint === undefined ? [] : [hint],
  });
}

/** Runs a request and translates how it fails. */
export async function request<T>(what: string, send: () => Promise<T>): Promise<T> {
  try {
    return await send();
  } catch (error) {
    throw translateS3Error(error, what);
  }
}

/** An ETag without its quotes, as Ceph wants it back in If-Match and as every store takes it. */
export function unquotedETag(etag: string | undefined, what: string): string {
  const bare = etag?.replace(/^"(.*)"$/, '$1');
  if (bare === undefined || bare === '') {
    throw new StorageError('storage/unavailable', `${what}: the store sent no ETag`);
  }
  return bare;
}
