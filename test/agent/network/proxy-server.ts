import { createServer, request as requestHttp } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';

export type ProxyServer = AsyncDisposable & {
  /** Without credentials. */
  readonly host: string;
  /** What it was asked for, in order: `GET <url>` or `CONNECT <host>:<port>`. */
  readonly asked: readonly string[];
};

/** A forward proxy on loopback, which asks for these credentials if there are some, and never answers if it `isSilent`. */
export async function openProxy({
  credentials = null,
  isSilent = false,
}: {
  readonly credentials?: string | null;
  readonly isSilent?: boolean;
} = {}): Promise<ProxyServer> {
  const asked: string[] = [];
  const tunnels = new Set<Duplex>();
  const isWelcome = ({ headers }: IncomingMessage) =>
    credentials === null ||
    headers['proxy-authorization'] === `Basic ${Buffer.from(credentials).toString('base64')}`;

  const server = createServer((incoming, response) => {
    asked.push(`${incoming.method} ${incoming.url}`);
    if (!isWelcome(incoming)) {
      response.writeHead(407, { 'proxy-authenticate': 'Basic realm="proxy"' }).end();
      return;
    }
    if (isSilent) return;
    const { 'proxy-authorization': _, ...headers } = incoming.headers;
    const outgoing = requestHttp(incoming.url ?? '', { method: incoming.method, headers });
    outgoing.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    outgoing.on('error', () => response.writeHead(502).end());
    incoming.pipe(outgoing);
  });

  server.on('connect', (incoming: IncomingMessage, socket: Duplex) => {
    asked.push(`CONNECT ${incoming.url}`);
    tunnels.add(socket);
    socket.on('error', () => undefined);
    if (!isWelcome(incoming)) {
      socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
      return;
    }
    if (isSilent) return;
    const { hostname, port } = new URL(`http://${incoming.url}`);
    const through = connect(Number(port), hostname, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      socket.pipe(through).pipe(socket);
    });
    through.on('error', () => socket.destroy());
    socket.on('close', () => through.destroy());
  });

  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    host: `127.0.0.1:${address.port}`,
    asked,
    async [Symbol.asyncDispose]() {
      for (const socket of tunnels) socket.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}
