import * as z from 'zod';
import { readIfThere } from '../durable.ts';
import { TrustedStore } from './trusted-store.ts';

const metadataSchema = z.object({ signed: z.object({ expires: z.iso.datetime() }) });

export type TrustedExpiry = { readonly role: string; readonly expires: Date };

/**
 * When the metadata that this host verified last expires, by role; of roots the newest, which may be the anchor itself. Nothing
 * is said of a trust anchor that is none. Throws `agent/disk`.
 */
export async function trustedExpiries(
  folder: string,
  trustAnchor: string,
): Promise<readonly TrustedExpiry[]> {
  const { roles, roots } = (await new TrustedStore(folder).read()).metadata;
  const [newest] = Object.keys(roots).toSorted((a, b) => Number(b) - Number(a));
  const root = newest === undefined ? (await readIfThere(trustAnchor))?.toString() : roots[newest];
  return Object.entries({ ...roles, root: root ?? '' })
    .flatMap(([role, text]) => {
      const expires = expiryOf(text);
      return expires === null ? [] : [{ role, expires }];
    })
    .toSorted((a, b) => (a.role < b.role ? -1 : 1));
}

function expiryOf(text: string): Date | null {
  try {
    return new Date(metadataSchema.parse(JSON.parse(text)).signed.expires);
  } catch {
    return null;
  }
}
