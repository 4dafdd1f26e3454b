import { createHash } from 'node:crypto';
import * as z from 'zod';
import { canonicalBytes } from '../../core/tuf/canonical.ts';

/** Which root a host trusts from the beginning: what is signed of it, however the file is laid out. */
export const anchorIdSchema = z.object({ version: z.int().min(1), sha256: z.string() }).readonly();

export type AnchorId = z.infer<typeof anchorIdSchema>;

const rootSchema = z.object({ signed: z.looseObject({ version: z.int().min(1) }) });

/** Of a root that was verified. */
export function anchorIdOf(root: string | Buffer): AnchorId {
  const { signed } = rootSchema.parse(JSON.parse(root.toString()));
  const sha256 = createHash('sha256').update(canonicalBytes(signed)).digest('hex');
  return { version: signed.version, sha256 };
}

/**
 * Whether what was remembered under one anchor is of another repository than the one that this anchor begins: they have
 * another root of the same version. Where no version can be compared it counts as the same, so that nothing is forgotten.
 */
export function isOfAnotherRepository(
  anchor: AnchorId,
  remembered: AnchorId | undefined,
  roots: Readonly<Record<string, string>>,
): boolean {
  if (remembered === undefined) return false;
  if (remembered.version === anchor.version) return remembered.sha256 !== anchor.sha256;
  const known = roots[anchor.version];
  const sha256 = known === undefined ? null : sha256Of(known);
  return sha256 !== null && sha256 !== anchor.sha256;
}

/** What lies on the disk may be anything; of what is no root nothing can be said. */
function sha256Of(root: string): string | null {
  try {
    return anchorIdOf(root).sha256;
  } catch {
    return null;
  }
}
