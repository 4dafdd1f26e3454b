import { openSigner } from '../adapters/signing/open.ts';
import type { Signer } from '../adapters/signing/signer.ts';
import type { Io } from '../adapters/terminal/io.ts';

/** Opens the keys that an option names, one after the other, since each may ask for a secret; `keys` closes them. */
export async function openSigners(
  io: Io,
  keys: AsyncDisposableStack,
  sources: readonly string[] = [],
): Promise<readonly Signer[]> {
  const signers: Signer[] = [];
  for (const source of sources) signers.push(keys.use(await openSigner(source, io)));
  return signers;
}
