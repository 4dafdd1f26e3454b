import { randomBytes, randomUUID } from 'node:crypto';
import { link, open, readFile, rm } from 'node:fs/promises';
import { z } from 'zod';
import { ServerError } from './errors.ts';

const TOKEN = /^[A-Za-z0-9_-]{43}$/;

/** The operators' token in this file: 32 random bytes, made (0600) when the file is not there yet, never replaced. */
export async function ensureToken(file: string): Promise<string> {
  const found = await readToken(file);
  if (found !== null) return found;
  await createToken(file);
  const made = await readToken(file);
  if (made === null) throw tokenError(file, 'it vanished');
  return made;
}

async function readToken(file: string): Promise<string | null> {
  try {
    const token = (await readFile(file, 'utf8')).trim();
    if (!TOKEN.test(token)) throw tokenError(file, 'it holds something else');
    return token;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw error instanceof ServerError ? error : tokenError(file, 'it cannot be read', error);
  }
}

/** A link appears whole and never replaces: a crash leaves no half token, and of two servers both read the first one's. */
async function createToken(file: string): Promise<void> {
  const temporary = `${file}.${randomUUID()}.tmp`;
  try {
    {
      await using handle = await open(temporary, 'wx', 0o600);
      await handle.writeFile(`${randomBytes(32).toString('base64url')}\n`);
      await handle.sync();
    }
    await link(temporary, file);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw tokenError(file, 'it cannot be made', error);
  } finally {
    await rm(temporary, { force: true });
  }
}

function tokenError(file: string, why: string, cause?: unknown): ServerError {
  return new ServerError('server/token', `the operators' token is kept in ${file}, but ${why}`, {
    cause,
  });
}

function codeOf(error: unknown): string | null {
  const result = z.object({ code: z.string() }).safeParse(error);
  return result.success ? result.data.code : null;
}
