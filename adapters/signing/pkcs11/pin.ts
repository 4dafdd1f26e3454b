import { resolve } from 'node:path';
import { SigningError } from '../errors.ts';
import { readSecret, readSecretFile } from '../passphrase.ts';
import type { SecretOptions } from '../passphrase.ts';
import { CKF } from './constants.ts';
import type { Token } from './cryptoki.ts';
import type { Pkcs11Uri } from './uri.ts';

/**
 * Finds the PIN of a token: from the URI (pin-value, or the file of pin-source), else TIDEGATE_PKCS11_PIN or the file of
 * TIDEGATE_PKCS11_PIN_FILE, else asked once. It is never empty. Throws SigningError, also for a pin-source that is no file.
 */
export function pinsFor({
  source,
  uri,
  options,
}: {
  readonly source: string;
  readonly uri: Pkcs11Uri;
  readonly options: SecretOptions;
}): (token: Token) => Promise<string> {
  const { 'pin-value': value, 'pin-source': place } = uri.query;
  const file = place === undefined ? null : resolve(options.cwd, pathOf(place));
  return async (token) => {
    const pin =
      value ??
      (file === null ? null : await readSecretFile(file, 'pin-source')) ??
      (await readSecret(options, 'TIDEGATE_PKCS11_PIN')) ??
      (await options.askSecret?.(questionFor(token)));
    // An empty one would be counted as a wrong one.
    if (pin !== undefined && pin !== null && pin !== '') return pin;
    throw new SigningError('signing/passphrase', `${source} needs a PIN and none is given`, {
      hints: [
        'set TIDEGATE_PKCS11_PIN, or TIDEGATE_PKCS11_PIN_FILE to a file that holds it',
        'or add ?pin-source=FILE to the key',
      ],
    });
  };
}

function pathOf(place: string): string {
  const [, path] = /^(?:file:(?:\/\/(?=\/))?)?([^|].*)$/s.exec(place) ?? [];
  if (path === undefined || /^[a-z][a-z0-9+.-]*:/i.test(path)) {
    throw new SigningError('signing/source', 'a pkcs11: pin-source must be a file', {
      hints: ['a path or file:PATH; a command is never run'],
    });
  }
  return path;
}

function questionFor({ label, flags }: Token): string {
  const isLast = (flags & CKF.USER_PIN_FINAL_TRY) !== 0n;
  return `PIN of the token ${label}${isLast ? ' (a wrong one locks it: the last try)' : ''}`;
}
