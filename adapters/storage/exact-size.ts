import { StorageError } from './storage.ts';
import type { StreamName } from './storage.ts';

/** Passes a source on and throws `storage/size` as soon as it is longer, or ends shorter, than declared. */
export async function* exactSize(
  streamed: StreamName,
  size: number,
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const name = typeof streamed === 'string' ? streamed : 'the streamed object';
  if (!Number.isSafeInteger(size) || size < 0) {
    throw new StorageError('storage/size', `${name}: size must be a whole number, got ${size}`);
  }
  let seen = 0;
  for await (const chunk of source) {
    seen += chunk.byteLength;
    if (seen > size) {
      throw new StorageError('storage/size', `${name}: more than the declared ${size} bytes came`);
    }
    yield chunk;
  }
  if (seen < size) {
    throw new StorageError('storage/size', `${name}: ${size} bytes were declared, got ${seen}`);
  }
}
