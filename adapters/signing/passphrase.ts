import { resolve } from 'node:path';
import type { AskSecret } from '../terminal/ask-secret.ts';
import { SigningError } from './errors.ts';
import { readText } from './read-text.ts';

export type SecretOptions = {
  /** Relative paths start here. */
  readonly cwd: string;
  /** For encrypted keys TIDEGATE_PASSPHRASE, or TIDEGATE_PASSPHRASE_FILE with the path of a file; for tokens TIDEGATE_PKCS11_PIN. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Asked when neither is set. */
  readonly askSecret?: AskSecret | undefined;
};

/** Where the passphrase of one key comes from; `ask` is called up to `tries` times, and gives null if nobody knows it. */
export type Passphrases = { readonly tries: number; readonly ask: () => Promise<string | null> };

const TRIES_AT_A_PROMPT = 3;

/** The passphrase for the key that `source` names: from the environment (one try), else asked (three). */
export function passphrasesFor(source: string, options: SecretOptions): Passphrases {
  const { env, askSecret } = options;
  const isSet = env['TIDEGATE_PASSPHRASE'] ?? env['TIDEGATE_PASSPHRASE_FILE'];
  if (isSet !== undefined || askSecret === undefined) {
    return { tries: 1, ask: () => readSecret(options, 'TIDEGATE_PASSPHRASE') };
  }
  return { tries: TRIES_AT_A_PROMPT, ask: () => askSecret(`Passphrase of ${source}`) };
}

/**
 * A passphrase for a new key, never empty: TIDEGATE_NEW_PASSPHRASE or the file of TIDEGATE_NEW_PASSPHRASE_FILE, else as
 * for an existing key, else asked twice. Throws `signing/passphrase`.
 */
export async function newPassphrase(name: string, options: SecretOptions): Promise<string> {
  const given =
    (await readSecret(options, 'TIDEGATE_NEW_PASSPHRASE')) ??
    (await readSecret(options, 'TIDEGATE_PASSPHRASE'));
  if (given !== null && given !== '') return given;
  const { askSecret } = options;
  if (given === '' || askSecret === undefined) {
    throw new SigningError('signing/passphrase', 'encrypting a key needs a passphrase', {
      hints: [
        'set TIDEGATE_NEW_PASSPHRASE, or TIDEGATE_NEW_PASSPHRASE_FILE to a file that holds it',
      ],
    });
  }
  const first = await askSecret(`New passphrase of ${name}`);
  if (first === '') throw new SigningError('signing/passphrase', 'a passphrase must not be empty');
  if ((await askSecret('The same again')) !== first) {
    throw new SigningError('signing/passphrase', 'the two passphrases differ');
  }
  return first;
}

/** The variable, or the first line of the file that its _FILE sibling names, or null. Throws SigningError. */
export async function readSecret(
  { cwd, env }: SecretOptions,
  variable: 'TIDEGATE_PASSPHRASE' | 'TIDEGATE_NEW_PASSPHRASE' | 'TIDEGATE_PKCS11_PIN',
): Promise<string | null> {
  const value = env[variable];
  if (value !== undefined) return value;
  const file = env[`${variable}_FILE`];
  return file === undefined ? null : readSecretFile(resolve(cwd, file), `${variable}_FILE`);
}

/** The first line of a file; `named` is what named it, for messages. Throws SigningError. */
export async function readSecretFile(path: string, named: string): Promise<string> {
  const text = await readText(path, `the file of ${named}`);
  return text.split(/\r?\n/, 1)[0] ?? '';
}
