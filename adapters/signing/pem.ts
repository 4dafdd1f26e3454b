import { constants, createPrivateKey, createPublicKey, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { keyId, keyOf } from '../../core/tuf/keys.ts';
import type { Key } from '../../core/tuf/keys.ts';
import { SigningError } from './errors.ts';
import type { Passphrases } from './passphrase.ts';
import type { Signer } from './signer.ts';

const signAsync = promisify(sign);

export type PemOptions = {
  /** Where the text came from, for messages. */
  readonly source: string;
  /** Asked only for encrypted keys. */
  readonly passphrases: Passphrases;
};

/** A signer from a private key in PEM: PKCS#8, encrypted or not. Throws SigningError. */
export async function signerFromPem(pem: string, options: PemOptions): Promise<Signer> {
  const privateKey = await readPrivateKey(pem, options);
  const key = profileKey(createPublicKey(privateKey), options.source);
  return {
    source: options.source,
    key,
    keyId: keyId(key),
    sign: async (bytes) => (await signBytes(privateKey, key, bytes)).toString('hex'),
    [Symbol.asyncDispose]: async () => {},
  };
}

/** The public key of a PEM that holds a public or a private one. Throws SigningError. */
export async function publicKeyFromPem(pem: string, options: PemOptions): Promise<Key> {
  if (labelOf(pem) !== 'PUBLIC KEY') {
    return profileKey(createPublicKey(await readPrivateKey(pem, options)), options.source);
  }
  try {
    return profileKey(createPublicKey(pem), options.source);
  } catch (cause) {
    if (cause instanceof SigningError) throw cause;
    throw notAKey(options.source, 'its content is damaged', cause);
  }
}

/** The private key in a PEM of PKCS#8, decrypted. Throws SigningError. */
export async function readPrivateKey(pem: string, options: PemOptions): Promise<KeyObject> {
  const { source } = options;
  switch (labelOf(pem)) {
    case 'PRIVATE KEY':
      return decode(pem, source);
    case 'ENCRYPTED PRIVATE KEY':
      return decrypt(pem, options);
    case 'PUBLIC KEY':
      throw notAKey(source, 'it is a public key, and signing needs the private one');
    case null:
      throw notAKey(source, 'it holds no PEM block');
    case 'RSA PRIVATE KEY':
    case 'EC PRIVATE KEY':
      throw new SigningError('signing/unsupported', `${source} must be PKCS#8, got an older form`, {
        hints: ['openssl pkcs8 -topk8 -nocrypt -in OLD -out NEW turns it into PKCS#8'],
      });
    default:
      throw notAKey(source, 'it holds something else');
  }
}

function decode(pem: string, source: string): KeyObject {
  try {
    return createPrivateKey({ key: pem, format: 'pem' });
  } catch (cause) {
    throw notAKey(source, 'its content is damaged', cause);
  }
}

async function decrypt(pem: string, { source, passphrases }: PemOptions): Promise<KeyObject> {
  for (let tries = passphrases.tries; tries > 1; tries -= 1) {
    const opened = decryptWith(pem, await passphrases.ask());
    if ('privateKey' in opened) return opened.privateKey;
  }
  const secret = await passphrases.ask();
  if (secret === null) {
    throw new SigningError(
      'signing/passphrase',
      `${source} is encrypted and no passphrase is given`,
      {
        hints: ['set TIDEGATE_PASSPHRASE, or TIDEGATE_PASSPHRASE_FILE to a file that holds it'],
      },
    );
  }
  const last = decryptWith(pem, secret);
  if ('privateKey' in last) return last.privateKey;
  // OpenSSL does not tell a wrong passphrase from damaged content.
  throw new SigningError(
    'signing/passphrase',
    `${source} does not open with this passphrase, or is damaged`,
    { cause: last.cause },
  );
}

function decryptWith(
  pem: string,
  passphrase: string | null,
): { readonly privateKey: KeyObject } | { readonly cause: unknown } {
  try {
    return { privateKey: createPrivateKey({ key: pem, passphrase: passphrase ?? '' }) };
  } catch (cause) {
    return { cause };
  }
}

/** The TUF key of a public key, or `signing/unsupported`. */
export function profileKey(publicKey: KeyObject, source: string): Key {
  try {
    return keyOf(publicKey);
  } catch (cause) {
    throw new SigningError(
      'signing/unsupported',
      `${source} must be ed25519, ECDSA P-256 or RSA of 2048 to 8192 bits, got ${kindOf(publicKey)}`,
      { cause },
    );
  }
}

async function signBytes(privateKey: KeyObject, key: Key, bytes: Uint8Array): Promise<Buffer> {
  switch (key.keytype) {
    case 'ed25519':
      return signAsync(null, bytes, privateKey);
    case 'ecdsa':
    case 'ecdsa-sha2-nistp256':
      return signAsync('sha256', bytes, { key: privateKey, dsaEncoding: 'der' });
    case 'rsa':
      // Node's own choice is the longest salt, which tough refuses.
      return signAsync('sha256', bytes, {
        key: privateKey,
        padding: constants.RSA_PKCS1_PSS_PADDING,
        saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
      });
  }
}

function labelOf(pem: string): string | null {
  return /-----BEGIN ([A-Z ]+)-----/.exec(pem)?.[1] ?? null;
}

function kindOf(publicKey: KeyObject): string {
  const { namedCurve, modulusLength } = publicKey.asymmetricKeyDetails ?? {};
  return [publicKey.asymmetricKeyType, namedCurve, modulusLength]
    .filter((part) => part !== undefined)
    .join(' ');
}

function notAKey(source: string, why: string, cause?: unknown): SigningError {
  return new SigningError('signing/not-a-key', `${source} is not usable as a key: ${why}`, {
    cause,
  });
}
