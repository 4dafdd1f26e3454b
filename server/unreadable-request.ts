import type { Duplex } from 'node:stream';
import { problemOf, RequestError } from './errors.ts';

/** For a server's `clientError`: what is no HTTP request is answered with a problem too, and the connection ends. */
export function answerUnreadable(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const problem = problemOf(requestErrorOf(error));
  const body = JSON.stringify(problem);
  socket.end(
    [
      `HTTP/1.1 ${problem.status} ${problem.title}`,
      'Content-Type: application/problem+json',
      `Content-Length: ${Buffer.byteLength(body)}`,
      'Connection: close',
      '',
      body,
    ].join('\r\n'),
  );
}

function requestErrorOf(cause: NodeJS.ErrnoException): RequestError {
  if (cause.code === 'HPE_HEADER_OVERFLOW') {
    return new RequestError('request/header-too-large', 'the header is too large', { cause });
  }
  return cause.code === 'ERR_HTTP_REQUEST_TIMEOUT'
    ? new RequestError('request/timeout', 'the request did not come in time', { cause })
    : new RequestError('request/invalid', 'the request is not HTTP', { cause });
}
