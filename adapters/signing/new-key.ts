import { generateKeyPair } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { mkdir, open, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { keyOf } from '../../core/tuf/keys.ts';
import type { Key } from '../../core/tuf/keys.ts';
import { SigningError } from './errors.ts';
import { codeOf } from './read-text.ts';

export const KEY_TYPES = ['ed25519', 'ecdsa-p256', 'rsa'] as const;
export type KeyType = (typeof KEY_TYPES)[number];

const RSA_BITS = 3072;
const generate = promisify(generateKeyPair);

/**
 * Makes a private key in a new file (PKCS#8 PEM, mode 0600; missing folders are made, mode 0700), durable on return, and
 * returns its public half. Never overwrites: `signing/exists`. With a passphrase the file is encrypted.
 */
export async function createKeyFile(
  path: string,
  { type, passphrase }: { readonly type: KeyType; readonly passphrase: string | null },
): Promise<Key> {
  const { publicKey, privateKey } = await generatePair(type);
  const encryption = passphrase === null ? {} : { cipher: 'aes-256-cbc', passphrase };
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem', ...encryption });
  await writeNewFile(path, pem);
  return keyOf(publicKey);
}

function generatePair(
  type: KeyType,
): Promise<{ readonly publicKey: KeyObject; readonly privateKey: KeyObject }> {
  switch (type) {
    case 'ed25519':
      return generate('ed25519');
    case 'ecdsa-p256':
      return generate('ec', { namedCurve: 'P-256' });
    case 'rsa':
      return generate('rsa', { modulusLength: RSA_BITS });
  }
}

/** Never overwrites (`signing/exists`); mode 0600, durable on return, nothing left behind on failure. */
export async function writeNewFile(path: string, text: string | Buffer): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new SigningError('signing/write', `the folder of ${path} cannot be made`, { cause });
  }
  let isOurs = false;
  try {
    await using file = await open(path, 'wx', 0o600);
    isOurs = true;
    await file.writeFile(text);
    await file.sync();
    await using folder = await open(dirname(path), 'r');
    await folder.sync();
  } catch (cause) {
    if (isOurs) await unlink(path).catch(() => {});
    throw writeError(path, cause);
  }
}

function writeError(path: string, cause: unknown): SigningError {
  switch (codeOf(cause)) {
    case 'EEXIST':
      return new SigningError('signing/exists', `${path} exists, and a key is never overwritten`, {
        cause,
      });
    default:
      return new SigningError('signing/write', `${path} cannot be written: ${codeOf(cause)}`, {
        cause,
      });
  }
}
