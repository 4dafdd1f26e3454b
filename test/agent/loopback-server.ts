import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';

export type LoopbackServer = AsyncDisposable & {
  /** Ends in `/`. */
  readonly url: string;
  readonly requests: readonly IncomingMessage[];
};

/** A server on a free port of 127.0.0.1 that remembers the requests. */
export async function serve(answer: RequestListener): Promise<LoopbackServer> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    answer(request, response);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    url: `http://127.0.0.1:${address.port}/`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}

/** Answers as a good file server does: whole, or from where the Range says if the ETag is still the same. */
export function sendFile(
  request: IncomingMessage,
  response: ServerResponse,
  {
    bytes,
    etag = '"1"',
    until = bytes.length,
  }: {
    readonly bytes: Uint8Array;
    readonly etag?: string | null;
    /** The connection breaks at this byte. */
    readonly until?: number;
  },
): void {
  const [, first = '0'] = /^bytes=(\d+)-$/.exec(request.headers.range ?? '') ?? [];
  const condition = request.headers['if-range'];
  const isPart =
    request.headers.range !== undefined && (condition === undefined || condition === etag);
  const start = isPart ? Number(first) : 0;
  response.writeHead(isPart ? 206 : 200, {
    'content-length': bytes.length - start,
    ...(etag === null ? {} : { etag }),
    ...(isPart ? { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` } : {}),
  });
  if (until >= bytes.length) {
    response.end(bytes.subarray(start));
  } else {
    // What was sent does arrive; a reset could take it back.
    response.write(bytes.subarray(start, Math.max(start, until)), () => {
      response.socket?.end();
    });
  }
}
