import { ExpectedError } from '../../core/errors.ts';

export type SigningErrorCode =
  /** The key string names no place that keys can be read from. */
  | 'signing/source'
  /** Nothing is there. */
  | 'signing/not-there'
  /** Several keys or tokens fit where one is meant. */
  | 'signing/ambiguous'
  /** The operating system, the service or the token does not let us use it. */
  | 'signing/denied'
  /** What is there is no key, or a public one where a private one is needed. */
  | 'signing/not-a-key'
  /** A key of a kind or size that the profile does not allow. */
  | 'signing/unsupported'
  /** The passphrase of an encrypted key, or the PIN of a token, is missing or wrong. */
  | 'signing/passphrase'
  /** The service or device that holds the key does not answer, or not in time. */
  | 'signing/unavailable'
  /** The key is there but may not be used now: disabled, waiting to be deleted, or in a token that has locked itself. */
  | 'signing/disabled'
  /** A new key would have overwritten something. */
  | 'signing/exists'
  /** A new key could not be written; nothing is left behind. */
  | 'signing/write';

export class SigningError extends ExpectedError<SigningErrorCode> {}
