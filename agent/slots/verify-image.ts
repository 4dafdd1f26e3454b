import { createHash } from 'node:crypto';
import { AgentError } from '../errors.ts';

/** What the signed release document says of a raw image. */
export type ExpectedImage = { readonly size: number; readonly sha256: string };

/**
 * Compares an image, read again through a newly opened file, with what was signed; throws `agent/image`. The slots read by
 * O_DIRECT (`readPastCache`), so the bytes come from the device, not from pages that still lie in memory. It cannot look
 * behind the cache of the device itself, and where a file system has no O_DIRECT (tmpfs of old kernels, some network and FUSE
 * file systems) it compares what the system gives. What a disk loses later is found by dm-verity when it is read.
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
