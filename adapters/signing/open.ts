import { resolve } from 'node:path';
import type { Key } from '../../core/tuf/keys.ts';
import { SigningError } from './errors.ts';
import { passphrasesFor } from './passphrase.ts';
import type { SecretOptions } from './passphrase.ts';
import { publicKeyFromPem, signerFromPem } from './pem.ts';
import { readText } from './read-text.ts';
import type { Signer } from './signer.ts';

export type OpenKeyOptions = SecretOptions;

/** How a key is given, for people: one line for each kind of place. */
export const KEY_SOURCES: readonly string[] = [
  'file:PATH',
  'aws-kms:KEY-ID, aws-kms:ARN or aws-kms:alias/NAME',
  'pkcs11:token=NAME;object=NAME?module-path=FILE',
];

/** The private key that `file:PATH`, `aws-kms:KEY` or `pkcs11:URI` names, ready to sign. Throws SigningError. */
export async function openSigner(source: string, options: OpenKeyOptions): Promise<Signer> {
  const { scheme, rest } = schemeOf(source);
  switch (scheme) {
    case 'file': {
      const pem = await readText(pathOf(rest, options), source);
      return signerFromPem(pem, { source, passphrases: passphrasesFor(source, options) });
    }
    case 'aws-kms': {
      // Loading the AWS SDK takes longer than most commands: only who needs it waits for it.
      const { openKmsSigner } = await import('./kms.ts');
      return openKmsSigner({ source, keyName: rest, env: options.env });
    }
    case 'pkcs11': {
      const { openPkcs11Signer } = await import('./pkcs11/signer.ts');
      return openPkcs11Signer(rest, options);
    }
    default:
      throw unknownSource(`${scheme}:…`);
  }
}

/** The public key of what `source` names; a file may hold the public half alone. Throws SigningError. */
export async function openPublicKey(source: string, options: OpenKeyOptions): Promise<Key> {
  const { scheme, rest } = schemeOf(source);
  if (scheme === 'file') {
    const pem = await readText(pathOf(rest, options), source);
    return publicKeyFromPem(pem, { source, passphrases: passphrasesFor(source, options) });
  }
  if (scheme === 'pkcs11') {
    const { openPkcs11PublicKey } = await import('./pkcs11/signer.ts');
    return openPkcs11PublicKey(rest, options);
  }
  await using signer = await openSigner(source, options);
  return signer.key;
}

/** The text of a `file:PATH` source. Throws SigningError. */
export async function readKeyFile(source: string, options: OpenKeyOptions): Promise<string> {
  const { scheme, rest } = schemeOf(source);
  if (scheme !== 'file') throw unknownSource(`${scheme}:…`);
  return readText(pathOf(rest, options), source);
}

function schemeOf(source: string): { readonly scheme: string; readonly rest: string } {
  const [, scheme, rest] = /^([a-z0-9-]+):(.*)$/s.exec(source) ?? [];
  // A key pasted in place of its name must not come back in a message.
  if (scheme === undefined || rest === undefined) throw unknownSource('something without a scheme');
  return { scheme, rest };
}

function pathOf(path: string, { cwd }: OpenKeyOptions): string {
  if (path === '' || path.includes('\0')) throw unknownSource('file:…');
  return resolve(cwd, path);
}

function unknownSource(got: string): SigningError {
  return new SigningError('signing/source', `a key must be given by where it is, got ${got}`, {
    hints: KEY_SOURCES,
  });
}
