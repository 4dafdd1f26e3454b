// The server that the real one is compared with: it parses the same JSON and answers bodies of the same size, and knows
// nothing else. With `constant` it does not even read HTTP, which shows how much the load generator itself can do.
import { createServer } from 'node:http';
import { createServer as createSocketServer } from 'node:net';

const [kind = '', answer = ''] = process.argv.slice(2);

const bare = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const body: unknown = JSON.parse(Buffer.concat(chunks).toString());
    if (typeof body !== 'object') response.statusCode = 400;
    response.setHeader('Content-Type', 'application/json');
    response.setHeader('Cache-Control', 'no-store');
    response.end(answer);
  });
});

const fixed = Buffer.from(
  `HTTP/1.1 200 OK\r\nContent-Length: ${Buffer.byteLength(answer)}\r\n\r\n${answer}`,
);
// One request is one packet here: on loopback nothing of a few hundred bytes comes in pieces.
const constant = createSocketServer({ noDelay: true }, (socket) => {
  socket.on('data', () => socket.write(fixed));
  socket.on('error', () => socket.destroy());
});

const server = kind === 'constant' ? constant : bare;
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.stdout.write(`${typeof address === 'object' ? address?.port : 0}\n`);
});
process.once('SIGTERM', () => {
  process.exit(0);
});
