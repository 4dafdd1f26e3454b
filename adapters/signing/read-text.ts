import { open } from 'node:fs/promises';
import { z } from 'zod';
import { SigningError } from './errors.ts';

/** No key comes near this; whatever is longer is another file, given by mistake. */
const MAX_KEY_BYTES = 64 * 1024;

/** The text of a small file that holds a key or a secret; `what` names it in messages. Throws SigningError. */
export async function readText(path: string, what: string): Promise<string> {
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
