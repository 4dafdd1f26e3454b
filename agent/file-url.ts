import { constants, open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { errnoOf } from '../adapters/storage/file-errors.ts';
import { AgentError } from './errors.ts';
import type { HttpRequest, HttpResponse } from './http.ts';

const CHUNK_BYTES = 256 * 1024;
const ABSENT: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ENOTDIR']);

/** Answers a GET of a `file:` URL as an HTTP server would: 200, 206 for `range: bytes=N-`, 404. Throws `agent/unreachable`. */
export async function readFileUrl(
  url: string,
  { headers = {}, signal }: Pick<HttpRequest, 'headers' | 'signal'>,
): Promise<HttpResponse> {
  const handle = await openFile(url);
  if (handle === null) return answer(404, {}, nothing());
  try {
    const { size } = await handle.stat();
    const start = Number(/^bytes=(\d+)-$/.exec(headers['range'] ?? '')?.[1] ?? '0');
    if (start > 0 && start >= size) {
      await handle.close();
      return answer(416, {}, nothing());
    }
    const range = { 'content-range': `bytes ${start}-${size - 1}/${size}` };
    const body = readFrom(url, handle, start, signal);
    return answer(start > 0 ? 206 : 200, start > 0 ? range : {}, body, handle);
  } catch (cause) {
    await handle.close();
    throw unreadable(url, cause);
  }
}

function answer(
  status: number,
  headers: Readonly<Record<string, string>>,
  body: AsyncIterable<Uint8Array>,
  handle?: FileHandle,
): HttpResponse {
  return { status, headers, body, close: () => void handle?.close().catch(() => undefined) };
}

async function openFile(url: string): Promise<FileHandle | null> {
  try {
    // Without waiting for somebody at the other end of a pipe.
    const handle = await open(fileURLToPath(url), constants.O_RDONLY | constants.O_NONBLOCK);
    if ((await handle.stat()).isFile()) return handle;
    await handle.close();
    return null;
  } catch (cause) {
    if (ABSENT.has(errnoOf(cause))) return null;
    throw unreadable(url, cause);
  }
}

async function* readFrom(
  url: string,
  handle: FileHandle,
  start: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  try {
    for (let at = start; ;) {
      if (signal?.aborted === true) {
        throw new AgentError('agent/stopped', `stopped while reading ${url}`);
      }
      const { bytesRead, buffer } = await handle.read(
        Buffer.allocUnsafe(CHUNK_BYTES),
        0,
        CHUNK_BYTES,
        at,
      );
      if (bytesRead === 0) return;
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } catch (cause) {
    throw unreadable(url, cause);
  } finally {
    await handle.close();
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

function unreadable(url: string, cause: unknown): AgentError {
  if (cause instanceof AgentError) return cause;
  const reason = errnoOf(cause) ?? String(cause);
  return new AgentError('agent/unreachable', `cannot read ${url}: ${reason}`, { cause });
}
