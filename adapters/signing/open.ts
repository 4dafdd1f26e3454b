import { open } from 'node:fs/promises';
import { resolve } from 'node:path';
import { z } from 'zod';
import type { Key } from '../../core/tuf/keys.ts';
import { SigningError } from './errors.ts';
import { publicKeyFromPem, signerFromPem } from './pem.ts';
import type { Signer } from './signer.ts';

export type OpenKeyOptions = {
  /** Relative paths start here. */
  readonly cwd: string;
  /** For encrypted keys: TIDEGATE_PASSPHRASE, or TIDEGATE_PASSPHRASE_FILE with the path of a file that holds it. */
  readonly env: Readonly<Record<string, string | undefined>>;
};

/** No key comes near this; whatever is longer is another file, given by mistake. */
const MAX_KEY_BYTES = 64 * 1024;

/** The private key that a string like `file:root.pem` names, ready to sign. Throws SigningError. */
export async function openSigner(source: string, options: OpenKeyOptions): Promise<Signer> {
  const pem = await readText(pathOf(source, options), source);
  return signerFromPem(pem, { source, passphrase: () => readPassphrase(options) });
}

/** The public key that a string like `file:root.pem` names; a file with the private key will do. Throws SigningError. */
export async function openPublicKey(source: string, options: OpenKeyOptions): Promise<Key> {
  const pem = await readText(pathOf(source, options), source);
  return publicKeyFromPem(pem, { source, passphrase: () => readPassphrase(options) });
}

/** TIDEGATE_PASSPHRASE, or the first line of TIDEGATE_PASSPHRASE_FILE, or null. Throws SigningError. */
export async function readPassphrase({ cwd, env }: OpenKeyOptions): Promise<string | null> {
  if (env['TIDEGATE_PASSPHRASE'] !== undefined) return env['TIDEGATE_PASSPHRASE'];
  const file = env['TIDEGATE_PASSPHRASE_FILE'];
  if (file === undefined) return null;
  const text = await readText(resolve(cwd, file), 'the file of TIDEGATE_PASSPHRASE_FILE');
  return text.split(/\r?\n/, 1)[0] ?? '';
}

function pathOf(source: string, { cwd }: OpenKeyOptions): string {
  const [, scheme, path] = /^([a-z0-9-]+):(.*)$/s.exec(source) ?? [];
  if (scheme !== 'file' || path === undefined || path === '' || path.includes('\0')) {
    // A key pasted in place of its name must not come back in a message.
    const got = scheme === undefined ? 'something without a scheme' : `${scheme}:…`;
    throw new SigningError('signing/source', `a key must be given as file:PATH, got ${got}`);
  }
  return resolve(cwd, path);
}

async function readText(path: string, what: string): Promise<string> {
  try {
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    if (size > MAX_KEY_BYTES) {
      throw new SigningError('signing/not-a-key', `${what} is too long for a key: ${size} bytes`);
    }
    return await file.readFile('utf8');
  } catch (error) {
    throw error instanceof SigningError ? error : readError(what, error);
  }
}

function readError(what: string, cause: unknown): SigningError {
  switch (codeOf(cause)) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new SigningError('signing/not-there', `${what} is not there`, { cause });
    case 'EACCES':
    case 'EPERM':
      return new SigningError('signing/denied', `${what} may not be read`, { cause });
    default:
      return new SigningError('signing/not-a-key', `${what} cannot be read as a key`, { cause });
  }
}

/** The code of a Node error, `unknown` for anything else. */
export function codeOf(error: unknown): string {
  const result = z.object({ code: z.string() }).safeParse(error);
  return result.success ? result.data.code : 'unknown';
}
