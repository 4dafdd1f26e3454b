import { isObjectName } from './names.ts';
import { StorageError } from './storage.ts';

export type S3Location = {
  readonly bucket: string;
  /** Empty, or a name without a slash at its end. */
  readonly prefix: string;
  readonly endpoint?: string;
  readonly region?: string;
  readonly forcePathStyle?: boolean;
};

const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const PARAMETERS: ReadonlySet<string> = new Set(['endpoint', 'region', 'forcePathStyle']);
const FORM = 's3://bucket/prefix?endpoint=https://…&region=…&forcePathStyle=true';

/** Reads `s3://bucket/prefix?endpoint=…&region=…&forcePathStyle=true`; only the bucket is required. */
export function parseS3Url(url: string): S3Location {
  const parsed = URL.parse(url);
  // A URL with a password is not repeated in a message.
  if (parsed === null || parsed.protocol !== 's3:' || parsed.username || parsed.password) {
    throw malformed('storage URL must have no user, no password and the form of the hint');
  }
  if (parsed.hash || parsed.port) throw malformed(`storage URL has a part too many: ${url}`);
  if (!BUCKET.test(parsed.hostname)) {
    throw malformed(`storage URL: ${JSON.stringify(parsed.hostname)} is no bucket name`);
  }
  const prefix = parsed.pathname.replace(/^\//, '').replace(/\/$/, '');
  if (prefix !== '' && !isObjectName(prefix)) {
    throw malformed(`storage URL: ${JSON.stringify(prefix)} is no prefix of object names`);
  }
  return { bucket: parsed.hostname, prefix, ...parseParameters(parsed.searchParams) };
}

/** The URL that `parseS3Url` reads to the same location. */
export function formatS3Url({ bucket, prefix, ...rest }: S3Location): string {
  const parameters = new URLSearchParams();
  for (const [key, value] of Object.entries(rest)) parameters.set(key, String(value));
  const path = prefix === '' ? '' : `/${prefix}`;
  return `s3://${bucket}${path}${parameters.size > 0 ? `?${parameters.toString()}` : ''}`;
}

function parseParameters(parameters: URLSearchParams): Omit<S3Location, 'bucket' | 'prefix'> {
  for (const key of parameters.keys()) {
    if (!PARAMETERS.has(key)) throw malformed(`storage URL: unknown parameter ${key}`);
    if (parameters.getAll(key).length > 1) throw malformed(`storage URL: ${key} is given twice`);
  }
  const endpoint = parameters.get('endpoint');
  const region = parameters.get('region');
  const style = parameters.get('forcePathStyle');
  if (region === '') throw malformed('storage URL: region is empty');
  if (style !== null && style !== 'true' && style !== 'false') {
    throw malformed(`storage URL: forcePathStyle must be true or false, got ${style}`);
  }
  return {
    ...(endpoint === null ? {} : { endpoint: checkEndpoint(endpoint) }),
    ...(region === null ? {} : { region }),
    ...(style === null ? {} : { forcePathStyle: style === 'true' }),
  };
}

function checkEndpoint(endpoint: string): string {
  const parsed = URL.parse(endpoint);
  if (
    parsed === null ||
    !['http:', 'https:'].includes(parsed.protocol) ||
    parsed.username ||
    parsed.password ||
    parsed.search ||
    parsed.hash
  ) {
    throw malformed('storage URL: endpoint must be like https://s3.example.com');
  }
  return endpoint;
}

function malformed(message: string): StorageError {
  return new StorageError('storage/name', message, { hints: [FORM] });
}
