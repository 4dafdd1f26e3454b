import { createPublicKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import type { Key } from '../../core/tuf/keys.ts';
import { SigningError } from './errors.ts';
import { readKeyFile } from './open.ts';
import { newPassphrase, passphrasesFor } from './passphrase.ts';
import type { SecretOptions } from './passphrase.ts';
import { profileKey, readPrivateKey } from './pem.ts';

type Copy = {
  readonly key: Key;
  readonly content: string | Buffer;
  readonly format: 'pem' | 'der';
};

/** The private key as tuftool reads it: RSA as PKCS#8 PEM, the others as PKCS#8 DER (tough, `parse_keypair`). */
export async function exportForTuftool(source: string, options: SecretOptions): Promise<Copy> {
  const { privateKey, key } = await privateKeyOf(source, options);
  return key.keytype === 'rsa'
    ? { key, content: privateKey.export({ type: 'pkcs8', format: 'pem' }), format: 'pem' }
    : { key, content: privateKey.export({ type: 'pkcs8', format: 'der' }), format: 'der' };
}

/** The private key as encrypted PKCS#8 PEM under a new passphrase; `out` names the copy in the question. */
export async function encryptedCopy(
  source: string,
  { out, secrets }: { readonly out: string; readonly secrets: SecretOptions },
): Promise<Copy> {
  const { privateKey, key, isEncrypted } = await privateKeyOf(source, secrets);
  // What opened the old file must not silently become the new passphrase.
  const { TIDEGATE_PASSPHRASE: _, TIDEGATE_PASSPHRASE_FILE: __, ...env } = secrets.env;
  const passphrase = await newPassphrase(out, isEncrypted ? { ...secrets, env } : secrets);
  const content = privateKey.export({
    type: 'pkcs8',
    format: 'pem',
    cipher: 'aes-256-cbc',
    passphrase,
  });
  return { key, content, format: 'pem' };
}

async function privateKeyOf(
  source: string,
  options: SecretOptions,
): Promise<{
  readonly privateKey: KeyObject;
  readonly key: Key;
  readonly isEncrypted: boolean;
}> {
  if (/^(?:aws-kms|pkcs11):/.test(source)) {
    throw new SigningError('signing/unsupported', 'a key in a device or service never leaves it', {
      hints: ['tidegate key public writes its public half'],
    });
  }
  const pem = await readKeyFile(source, options);
  const passphrases = passphrasesFor(source, options);
  const privateKey = await readPrivateKey(pem, { source, passphrases });
  const key = profileKey(createPublicKey(privateKey), source);
  // PKCS#8 says it in the label, OpenSSL's older form in a header.
  return { privateKey, key, isEncrypted: pem.includes('ENCRYPTED') };
}
