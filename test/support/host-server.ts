import { once } from 'node:events';
import { createServer } from 'node:http';
import type { ServerResponse } from 'node:http';

/** How one name is answered, where it is not answered well. */
export type Answer = {
  readonly status?: number;
  /** Undefined leaves a header out. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly body?: Uint8Array;
  /** Breaks off in the middle of the body. */
  readonly isCut?: boolean;
  readonly ignoresRanges?: boolean;
};

export type HostServer = AsyncDisposable & {
  readonly url: string;
  /** The names that were asked for, in order. */
  readonly asked: readonly string[];
};

const IMMUTABLE = 'public, max-age=31536000, immutable';

/** A web server over objects, on loopback, that hosts could wish for no better, except for the given answers. */
export async function serveHosts(
  objects: ReadonlyMap<string, Uint8Array>,
  answerTo: (name: string) => Answer | undefined = () => undefined,
): Promise<HostServer> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const name = new URL(request.url ?? '/', 'http://host').pathname.slice(1);
    asked.push(name);
    send(response, name, objects.get(name), answerTo(name) ?? {}, request.headers.range);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    asked,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

function send(
  response: ServerResponse,
  name: string,
  object: Uint8Array | undefined,
  answer: Answer,
  range: string | undefined,
): void {
  const whole = answer.body ?? object;
  const isPart = range === 'bytes=0-0' && whole !== undefined && answer.ignoresRanges !== true;
  const body = (isPart ? whole.slice(0, 1) : whole) ?? Buffer.from('nothing here');
  const headers = {
    'cache-control': name.endsWith('/timestamp.json') ? 'no-cache' : IMMUTABLE,
    etag: '"1"',
    'accept-ranges': 'bytes',
    'content-length': String(body.length),
    ...(whole === undefined ? { 'cache-control': 'no-cache' } : {}),
    ...answer.headers,
  };
  response.statusCode = answer.status ?? (whole === undefined ? 404 : isPart ? 206 : 200);
  for (const [header, value] of Object.entries(headers)) {
    if (value !== undefined) response.setHeader(header, value);
  }
  if (answer.isCut !== true) {
    response.end(body);
    return;
  }
  response.write(body.slice(0, 1), () => response.destroy());
}
