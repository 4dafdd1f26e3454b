import { randomBytes } from 'node:crypto';
import type { S3Head } from './s3-read.ts';

// Stored as x-amz-meta-tidegate-writes: the ids of the last writes of this name, the newest first.
const METADATA_KEY = 'tidegate-writes';
const REMEMBERED = 16;

/**
 * Marks a write, so that whoever got no answer to it, or a refusal of the SDK's own second try, can see at the object
 * whether the write took effect, even when others have replaced it since.
 */
export type WriteId = {
  readonly id: string;
  readonly metadata: Readonly<Record<string, string>>;
};

/** A new id, followed by those of the object that the write replaces. */
export function newWriteId(replaces?: S3Head): WriteId {
  const id = randomBytes(8).toString('hex');
  const ids = [id, ...(replaces === undefined ? [] : writesOf(replaces))].slice(0, REMEMBERED);
  return { id, metadata: { [METADATA_KEY]: ids.join(' ') } };
}

/** Whether the object is what this write made, was made from it by later writes, or knows nothing of it. */
export function traceOf({ id }: WriteId, head: S3Head): 'newest' | 'replaced' | 'none' {
  const ids = writesOf(head);
  if (ids[0] === id) return 'newest';
  return ids.includes(id) ? 'replaced' : 'none';
}

function writesOf(head: S3Head): string[] {
  return head.metadata[METADATA_KEY]?.split(' ') ?? [];
}
