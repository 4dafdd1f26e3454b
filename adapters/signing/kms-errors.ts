import { z } from 'zod';
import { SigningError } from './errors.ts';
import type { SigningErrorCode } from './errors.ts';

// What errors of the SDK, and of Node below it, tell.
const Foreign = z.object({
  name: z.string().default(''),
  code: z.string().optional().catch(undefined),
  message: z.string().default(''),
  $metadata: z.object({ httpStatusCode: z.number().optional() }).optional(),
});

// https://docs.aws.amazon.com/kms/latest/APIReference/API_Sign.html, and its common errors.
const BY_NAME: Readonly<Record<string, SigningErrorCode>> = {
  NotFoundException: 'signing/not-there',
  InvalidArnException: 'signing/source',
  ValidationException: 'signing/source',
  DisabledException: 'signing/disabled',
  KMSInvalidStateException: 'signing/disabled',
  InvalidKeyUsageException: 'signing/unsupported',
  UnsupportedOperationException: 'signing/unsupported',
  AccessDeniedException: 'signing/denied',
  UnrecognizedClientException: 'signing/denied',
  IncompleteSignature: 'signing/denied',
  InvalidSignatureException: 'signing/denied',
  ExpiredTokenException: 'signing/denied',
  InvalidClientTokenId: 'signing/denied',
  CredentialsProviderError: 'signing/denied',
  TokenProviderError: 'signing/denied',
  InvalidGrantTokenException: 'signing/denied',
};

const HINTS: Readonly<Partial<Record<string, string>>> = {
  NotFoundException: 'check the region: a key id or alias is looked for in AWS_REGION',
  AccessDeniedException: 'signing needs kms:GetPublicKey and kms:Sign on this key',
  CredentialsProviderError: 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE',
  DisabledException: 'aws kms enable-key makes it usable again',
};

/** Runs a request to KMS and translates how it fails to SigningError; bugs are thrown as they are. */
export async function kmsRequest<T>(
  source: string,
  action: string,
  send: () => Promise<T>,
): Promise<T> {
  try {
    return await send();
  } catch (error) {
    throw translate(error, `${source}: ${action}`);
  }
}

function translate(error: unknown, what: string): unknown {
  const parsed = Foreign.safeParse(error);
  if (!parsed.success) return error;
  const { name, code: errno, message, $metadata } = parsed.data;
  const known = BY_NAME[name];
  if ($metadata === undefined && errno === undefined && known === undefined) return error;
  const status = $metadata?.httpStatusCode;
  const got = status === undefined ? (errno ?? name) : `${name} (HTTP ${status})`;
  const hint = HINTS[name];
  return new SigningError(
    known ?? 'signing/unavailable',
    `${what} failed with ${got}${message === '' ? '' : `: ${message}`}`,
    { cause: error, hints: hint === undefined ? [] : [hint] },
  );
}
