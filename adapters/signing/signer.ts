import type { Key } from '../../core/tuf/keys.ts';

/** A private key that signs, wherever it lives. Disposing it closes its session. */
export interface Signer extends AsyncDisposable {
  /** The string that opened it, for messages; never key material. */
  readonly source: string;
  readonly key: Key;
  readonly keyId: string;
  /** The signature in lower-case hex, in the encoding that TUF clients verify for `key.scheme`. */
  sign(bytes: Uint8Array): Promise<string>;
}
