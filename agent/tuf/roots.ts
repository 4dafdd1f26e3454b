import { TrustedMetadataStore } from 'tuf-js/dist/store.js';

export type RootChain = {
  /** The last root of the chain, as tuf-js is to start from. */
  readonly latest: Buffer;
  /** The roots after the anchor that hold, by version. */
  readonly roots: Readonly<Record<string, string>>;
  /** Whether history held a root that does not follow from the one before it. */
  readonly isDamaged: boolean;
};

/**
 * Follows local history from the trust anchor, each root signed by the one before it (TUF 5.3.4 to 5.3.6), as far as it
 * holds. The anchor is always the beginning: nothing that lies in a writable folder can replace it.
 * Throws what tuf-js throws if the anchor itself is no root signed by its own keys.
 */
export function followRoots(anchor: Buffer, history: Readonly<Record<string, string>>): RootChain {
  const trusted = new TrustedMetadataStore(anchor);
  const roots: Record<string, string> = {};
  let latest = anchor;
  for (;;) {
    const version = String(trusted.root.signed.version + 1);
    const text = history[version];
    if (text === undefined) return { latest, roots, isDamaged: false };
    const bytes = Buffer.from(text);
    try {
      trusted.updateRoot(bytes);
    } catch {
      return { latest, roots, isDamaged: true };
    }
    roots[version] = text;
    latest = bytes;
  }
}
