import { canonicalBytes } from './canonical.ts';

/** Room for one signature and its key id. */
const SIGNATURE_BYTES = 250;

/** About how many bytes a metadata file has once `threshold` keys have signed it. */
export function signedSize(signed: unknown, threshold: number): number {
  return canonicalBytes(signed).length + SIGNATURE_BYTES * threshold;
}
