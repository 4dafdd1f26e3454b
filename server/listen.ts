import { createServer } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import { isIPv6 } from 'node:net';
import type { ListenAddress } from './config.ts';
import { ServerError } from './errors.ts';
import { answerUnreadable } from './unreadable-request.ts';

export type Listening = {
  readonly server: Server;
  /** Without a slash at its end. */
  readonly url: string;
};

/** A client that sends slower than this holds a connection for nothing. */
const REQUEST_TIMEOUT_MS = 60_000;
const HEADERS_TIMEOUT_MS = 20_000;
/** Hosts behind one proxy share connections; longer than the usual 60 s of proxies, so that they close first. */
const KEEP_ALIVE_MS = 65_000;

/** Serves the app there. Throws `server/address`. */
export function listen(app: RequestListener, { host, port }: ListenAddress): Promise<Listening> {
  const server = createServer(
    {
      requestTimeout: REQUEST_TIMEOUT_MS,
      headersTimeout: HEADERS_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
    },
    app,
  );
  server.on('clientError', answerUnreadable);
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(addressError(`${host}:${port}`, error));
    });
    server.listen({ host, port }, () => {
      resolve({ server, url: urlOf(server, host) });
    });
  });
}

/** Accepts nothing new, lets requests under way finish for `ms` at most, then cuts them off. */
export async function drain({ server }: Pick<Listening, 'server'>, ms: number): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => {
      resolve();
    });
  });
  // A connection whose last answer was just sent is idle only now.
  const sweep = setInterval(() => {
    server.closeIdleConnections();
  }, 20);
  const cut = setTimeout(() => {
    server.closeAllConnections();
  }, ms);
  await closed;
  clearInterval(sweep);
  clearTimeout(cut);
}

function urlOf(server: Server, host: string): string {
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return `http://${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

function addressError(address: string, cause: NodeJS.ErrnoException): ServerError {
  const hints: string[] = [];
  let why = 'no such address here';
  if (cause.code === 'EACCES') why = 'not permitted';
  if (cause.code === 'EADDRINUSE') {
    why = 'the port is in use';
    hints.push('is another server running? port 0 takes any free one');
  }
  return new ServerError('server/address', `--listen ${address}: ${why}`, { cause, hints });
}
