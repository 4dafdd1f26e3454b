import { S3Client } from '@aws-sdk/client-s3';
import type { S3ClientConfig } from '@aws-sdk/client-s3';
import { StorageError } from './storage.ts';
import type { S3Location } from './s3-url.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** What a request needs to reach an object: the connection, the bucket, and the key of a name. */
export type S3Place = {
  readonly client: S3Client;
  readonly bucket: string;
  readonly keyOf: (name: string) => string;
  /** For each request that carries `bytes`: how long the whole of it may take until the answer begins. */
  readonly patience: (bytes?: number) => { readonly requestTimeout: number };
  /** How long a body may stand still. */
  readonly answerMs: number;
};

// A store that is reached gives a first answer at once; a slow line still moves this many bytes a second.
const ANSWER_MS = 30_000;
const SLOWEST_BYTES_PER_MS = 32;

const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

/** The location's settings first, then `env` as the AWS SDK reads it, then the SDK's own sources (profiles, roles). */
export async function openPlace(
  location: S3Location,
  env: Environment,
  answerMs: number = ANSWER_MS,
): Promise<S3Place> {
  const client = new S3Client(configuration(location, env));
  try {
    await client.config.region();
  } catch (error) {
    client.destroy();
    throw new StorageError('storage/name', `no region is known for bucket ${location.bucket}`, {
      cause: error,
      hints: ['add ?region=… to the storage URL, or set AWS_REGION'],
    });
  }
  const { bucket, prefix } = location;
  return {
    client,
    bucket,
    answerMs,
    keyOf: (name) => (prefix === '' ? name : `${prefix}/${name}`),
    patience: (bytes = 0) => ({
      requestTimeout: answerMs + Math.ceil(bytes / SLOWEST_BYTES_PER_MS),
    }),
  };
}

function configuration(location: S3Location, env: Environment): S3ClientConfig {
  const endpoint =
    location.endpoint ?? setting(env, 'AWS_ENDPOINT_URL_S3') ?? setting(env, 'AWS_ENDPOINT_URL');
  const region =
    location.region ?? setting(env, 'AWS_REGION') ?? setting(env, 'AWS_DEFAULT_REGION');
  const accessKeyId = setting(env, 'AWS_ACCESS_KEY_ID');
  const secretAccessKey = setting(env, 'AWS_SECRET_ACCESS_KEY');
  const sessionToken = setting(env, 'AWS_SESSION_TOKEN');
  return {
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
    ...(location.forcePathStyle === undefined ? {} : { forcePathStyle: location.forcePathStyle }),
    ...(accessKeyId === undefined || secretAccessKey === undefined
      ? {}
      : {
          credentials: {
            accessKeyId,
            secretAccessKey,
            ...(sessionToken === undefined ? {} : { sessionToken }),
          },
        }),
    // Other stores than AWS refuse or keep the SDK's checksum trailers; what is published is signed anyway.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    maxAttempts: 3,
    requestHandler: {
      connectionTimeout: 10_000,
      throwOnRequestTimeout: true,
      // An idle socket may be a reader that is slow to take what has come; guardedBody times the store alone.
      socketTimeout: 0,
      httpAgent: { keepAlive: true, maxSockets: 128 },
      httpsAgent: { keepAlive: true, maxSockets: 128 },
      logger: SILENT,
    },
    logger: SILENT,
  };
}

function setting(env: Environment, name: string): string | undefined {
  const value = env[name];
  return value === '' ? undefined : value;
}
