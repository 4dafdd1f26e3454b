import { ExpectedError } from '../../core/errors.ts';

export type SigningErrorCode =
  /** The key string names no place that keys can be read from. */
  | 'signing/source'
  /** Nothing is there. */
  | 'signing/not-there'
  /** The operating system does not let us read it. */
  | 'signing/denied'
  /** What is there is no key, or a public one where a private one is needed. */
  | 'signing/not-a-key'
  /** A key of a kind or size that the profile does not allow. */
  | 'signing/unsupported'
  /** The key is encrypted and the passphrase is missing or wrong. */
  | 'signing/passphrase'
  /** The service or device that holds the key does not answer, or not in time. */
  | 'signing/unavailable'
  /** The key is there but may not be used now: disabled, or waiting to be deleted. */
  | 'signing/disabled'
  /** A new key would have overwritten something. */
  | 'signing/exists'
  /** A new key could not be written; nothing is left behind. */
  | 'signing/write';

export class SigningError extends ExpectedError<SigningErrorCode> {}
