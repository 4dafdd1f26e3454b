import { createCipheriv } from 'node:crypto';

/** Bytes that neither repeat nor compress, so that anything misplaced is seen; the same every time. */
export function noise(size: number): Buffer {
  const [key, counter] = [Buffer.alloc(16), Buffer.alloc(16)];
  return createCipheriv('aes-128-ctr', key, counter).update(Buffer.alloc(size));
}
