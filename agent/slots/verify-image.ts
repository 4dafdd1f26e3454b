import { createHash } from 'node:crypto';
import { AgentError } from '../errors.ts';

/** What the signed release document says of a raw image. */
export type ExpectedImage = { readonly size: number; readonly sha256: string };

/**
 * Compares an image, read again through a newly opened file, with what was signed; throws `agent/image`. It proves that the
 * system took and gives back the right bytes under the right name. It does not prove what the medium holds: without
 * O_DIRECT, which Node cannot align its buffers for, pages still cached are not read from the disk again. What a disk loses
 * after fsync is found at the next boot by dm-verity, or by verifying again once the cache has gone.
 */
export async function verifyImage(
  name: string,
  source: AsyncIterable<Uint8Array>,
  expected: ExpectedImage,
): Promise<void> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of source) {
    size += chunk.length;
    if (size > expected.size) break;
    hash.update(chunk);
  }
  if (size !== expected.size) {
    const got = size > expected.size ? 'more' : String(size);
    throw new AgentError('agent/image', `image ${name} has ${expected.size} bytes, read ${got}`);
  }
  const sha256 = hash.digest('hex');
  if (sha256 !== expected.sha256) {
    throw new AgentError(
      'agent/image',
      `image ${name} was read with SHA-256 ${sha256}, signed is ${expected.sha256}`,
    );
  }
}
