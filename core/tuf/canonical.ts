import { canonicalize } from '@tufjs/canonical-json';
import { TufError } from './errors.ts';

/**
 * The bytes that TUF hashes and signs (OLPC canonical JSON). They are not always JSON: line breaks inside strings, as in
 * PEM keys, stay unescaped.
 */
export function canonicalBytes(value: unknown): Uint8Array {
  let text;
  try {
    text = canonicalize(value);
  } catch (cause) {
    // Canonical JSON knows no fractions and no undefined.
    throw inexpressible(cause);
  }
  // Half of a surrogate pair has no bytes: the encoder would make the same replacement of all of them.
  if (!text.isWellFormed()) throw inexpressible();
  return new TextEncoder().encode(text);
}

function inexpressible(cause?: unknown): TufError {
  return new TufError('tuf/format', 'metadata holds a value that canonical JSON cannot express', {
    cause,
  });
}
