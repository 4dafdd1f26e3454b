import { createHash } from 'node:crypto';
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { errnoOf } from '../../adapters/storage/file-errors.ts';
import { parseRelease, ReleaseError } from '../../core/release.ts';
import type { Release } from '../../core/release.ts';
import { readChecked, readIfThere, writeChecked, writeDurable } from '../durable.ts';
import { onDisk } from '../on-disk.ts';
import { AgentError } from '../errors.ts';
import type { SealedSlot } from './slots.ts';

export const SEAL = 'sealed.json';
const DOCUMENT = 'release.json';

const sealSchema = z.strictObject({
  schema: z.literal('tidegate.seal/1'),
  version: z.string(),
  /** SHA-256 of the document. */
  document: z.string(),
  images: z.record(z.string(), z.strictObject({ size: z.int(), sha256: z.string() })),
});
type Seal = z.infer<typeof sealSchema>;

/** The last thing that is written to a slot, when all its images are durable and verified. */
export async function writeSeal(folder: string, document: Uint8Array): Promise<void> {
  await writeDurable(join(folder, DOCUMENT), document);
  await writeChecked(join(folder, SEAL), sealOf(parseRelease(document), document));
}

/** What the folder is sealed with; null without a seal, or if document or sizes are not those that it names. */
export async function readSeal(folder: string): Promise<SealedSlot | null> {
  const seal = await readChecked(join(folder, SEAL), sealSchema);
  if (seal.kind !== 'value') return null;
  const document = await readIfThere(join(folder, DOCUMENT));
  const release = document === null ? null : parseOrNull(document);
  if (document === null || release === null) return null;
  const isSame = JSON.stringify(sealOf(release, document)) === JSON.stringify(seal.value);
  return isSame && (await haveSizes(folder, release)) ? { release, document } : null;
}

function sealOf(release: Release, document: Uint8Array): Seal {
  const images = Object.entries(release.images).map(
    ([name, { size, sha256 }]) => [name, { size, sha256 }] as const,
  );
  return {
    schema: 'tidegate.seal/1',
    version: release.version,
    document: createHash('sha256').update(document).digest('hex'),
    images: Object.fromEntries(images),
  };
}

async function haveSizes(folder: string, { images }: Release): Promise<boolean> {
  for (const [name, { size }] of Object.entries(images)) {
    if ((await sizeOfFile(join(folder, name))) !== size) return false;
  }
  return true;
}

/** Null for what is not there or no file. */
export function sizeOfFile(path: string): Promise<number | null> {
  return onDisk(`looking at ${path}`, async () => {
    const stats = await lstat(path).catch(nullIfMissing);
    return stats?.isFile() === true ? stats.size : null;
  });
}

function nullIfMissing(error: unknown): null {
  if (errnoOf(error) === 'ENOENT') return null;
  throw error;
}

/** Null for what is no release document. */
export function parseOrNull(document: Uint8Array): Release | null {
  try {
    return parseRelease(document);
  } catch (error) {
    if (error instanceof ReleaseError) return null;
    throw error;
  }
}

/** Throws `agent/slots` for a document that is no release document: nothing else may be sealed. */
export function parseDocument(document: Uint8Array): Release {
  try {
    return parseRelease(document);
  } catch (cause) {
    if (!(cause instanceof ReleaseError)) throw cause;
    throw new AgentError('agent/slots', `only a release document can be sealed: ${cause.message}`, {
      cause,
    });
  }
}

/** The agent's failure where nobody knows what the running slot holds. */
export function unknownRelease(slot: string): AgentError {
  return new AgentError('agent/slots', `it is not known what release slot ${slot} holds`, {
    hints: ['the next cycle finds out; `tidegate agent slots adopt --version VERSION` tells it'],
  });
}
