import { canonicalize } from '@tufjs/canonical-json';
import { TufError } from './errors.ts';

/**
 * The bytes that TUF hashes and signs (OLPC canonical JSON). They are not always JSON: line breaks inside strings, as in
 * PEM keys, stay unescaped.
 */
export function canonicalBytes(value: unknown): Uint8Array {
  try {
    return new TextEncoder().encode(canonicalize(value));
  } catch (cause) {
    // Canonical JSON knows no fractions and no undefined.
    throw new TufError('tuf/format', 'metadata holds a value that canonical JSON cannot express', {
      cause,
    });
  }
}
