import { createHash, createPrivateKey } from 'node:crypto';
import { signerFromPem } from '../../adapters/signing/pem.ts';
import type { Signer } from '../../adapters/signing/signer.ts';

/** What comes before the 32 bytes of an ed25519 key in PKCS#8 (RFC 8410). */
const ED25519_PKCS8_PREFIX = '302e020100300506032b657004220420';

/** An ed25519 key beside those of keys-example/, the same for the same seed. */
export function seededSigner(seed: string): Promise<Signer> {
  const secret = createHash('sha256').update(seed).digest('hex');
  const der = Buffer.from(ED25519_PKCS8_PREFIX + secret, 'hex');
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  return signerFromPem(pem, {
    source: seed,
    passphrases: { tries: 1, ask: () => Promise.resolve(null) },
  });
}
