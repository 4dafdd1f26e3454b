import { openSigner } from '../../adapters/signing/open.ts';
import type { Signer } from '../../adapters/signing/signer.ts';

export type ExampleKey = 'root1' | 'root2' | 'root3' | 'targets' | 'online' | 'release';

/** A signer of keys-example/: ed25519, but root2 and release are ECDSA and root3 is RSA. */
export function exampleSigner(name: ExampleKey): Promise<Signer> {
  const path = new URL(`../../keys-example/${name}.pem`, import.meta.url).pathname;
  return openSigner(`file:${path}`, { cwd: '/', env: {} });
}
