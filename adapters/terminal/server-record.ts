import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';
import { z } from 'zod';
import { ExpectedError } from '../../core/errors.ts';

/** No token can be found for a server, or the URL names none. */
export class ServerRecordError extends ExpectedError<
  'server-record/url' | 'server-record/not-there' | 'server-record/home'
> {}

type Env = Readonly<Record<string, string | undefined>>;

const recordSchema = z.object({ url: z.string(), tokenFile: z.string() });

/** What a server leaves for the command line of the same person: where it listens, and the file that holds its token. */
export type ServerRecord = z.infer<typeof recordSchema>;

/** Leaves the record where `readServerToken` finds it; folder 0700, file 0600. */
export async function writeServerRecord(record: ServerRecord, env: Env): Promise<void> {
  const file = recordFile(record.url, env);
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const temporary = `${file}.${randomUUID()}.tmp`;
  try {
    await writeFile(temporary, `${JSON.stringify(record)}\n`, { mode: 0o600, flag: 'wx' });
    await rename(temporary, file);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** The operators' token of the server at this URL: TIDEGATE_TOKEN, or what the server itself left on this machine. */
export async function readServerToken(url: string, env: Env): Promise<string> {
  const given = env['TIDEGATE_TOKEN'];
  if (given !== undefined && given !== '') return given;
  const file = recordFile(url, env);
  try {
    const { tokenFile } = recordSchema.parse(JSON.parse(await readFile(file, 'utf8')));
    return (await readFile(tokenFile, 'utf8')).trim();
  } catch (cause) {
    throw new ServerRecordError('server-record/not-there', `no token is known for ${url}`, {
      cause,
      hints: [
        'set TIDEGATE_TOKEN to the content of the file named token beside the state of the server',
      ],
    });
  }
}

/** One file a server: `<XDG_STATE_HOME or ~/.local/state>/tidegate/servers/<host>_<port>.json`. */
function recordFile(url: string, env: Env): string {
  const { hostname, port, protocol } = parseUrl(url);
  // One server, however it is spelled: a wildcard address is reached through loopback.
  const host = ['localhost', '0.0.0.0', '[::]'].includes(hostname) ? '127.0.0.1' : hostname;
  const defaultPort = protocol === 'https:' ? '443' : '80';
  const name = `${host.replaceAll(/[^A-Za-z0-9.-]/g, '-')}_${port === '' ? defaultPort : port}.json`;
  return join(stateHome(env), 'tidegate', 'servers', name);
}

function parseUrl(url: string): URL {
  const parsed = URL.parse(url);
  if (parsed === null || !['http:', 'https:'].includes(parsed.protocol)) {
    throw new ServerRecordError(
      'server-record/url',
      `server must be like http://127.0.0.1:8080, got ${JSON.stringify(url.slice(0, 200))}`,
    );
  }
  return parsed;
}

// XDG base directories: a relative path there is to be ignored.
function stateHome(env: Env): string {
  const named = env['XDG_STATE_HOME'];
  if (named !== undefined && isAbsolute(named)) return named;
  const home = env['HOME'];
  if (home === undefined || !isAbsolute(home)) {
    throw new ServerRecordError(
      'server-record/home',
      'neither XDG_STATE_HOME nor HOME names a folder, so no token can be kept or found',
      { hints: ['set TIDEGATE_TOKEN'] },
    );
  }
  return join(home, '.local', 'state');
}
