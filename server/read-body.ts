import type { IncomingMessage } from 'node:http';
import { RequestError } from './errors.ts';

/**
 * The bytes of a request that Express does not see, at most `limitBytes`. Throws `request/too-large`, `request/media-type`
 * for a compressed body, which could unfold to anything, or `request/invalid` if the client goes away.
 */
export function readBody(request: IncomingMessage, limitBytes: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const refuse = (error: RequestError) => {
      request.removeAllListeners('data').removeAllListeners('end');
      // What is still to come is read and thrown away, so that the connection can be used again.
      request.resume();
      reject(error);
    };
    const encoding = request.headers['content-encoding'] ?? 'identity';
    if (encoding.toLowerCase() !== 'identity') {
      refuse(new RequestError('request/media-type', 'the body must not be encoded'));
      return;
    }
    if (Number(request.headers['content-length'] ?? 0) > limitBytes) {
      refuse(tooLarge(limitBytes));
      return;
    }
    const chunks: Buffer[] = [];
    let length = 0;
    request.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      length += chunk.length;
      if (length > limitBytes) refuse(tooLarge(limitBytes));
    });
    request.on('end', () => {
      const [first] = chunks;
      resolve(first !== undefined && chunks.length === 1 ? first : Buffer.concat(chunks));
    });
    request.on('error', (cause) => {
      reject(new RequestError('request/invalid', 'the request cannot be read', { cause }));
    });
  });
}

function tooLarge(limitBytes: number): RequestError {
  return new RequestError('request/too-large', `the body may have ${limitBytes} bytes`);
}
