import { createKeyFile } from '../adapters/signing/new-key.ts';
import type { KeyType } from '../adapters/signing/new-key.ts';

/** One of each kind among the roots, so that whatever uses these keys tries every kind. */
const KEYS: Readonly<Record<string, KeyType>> = {
  root1: 'ed25519',
  root2: 'ecdsa-p256',
  root3: 'rsa',
  targets: 'ed25519',
  online: 'ed25519',
  release: 'ecdsa-p256',
};

// Refuses as long as the old files are there: delete them first.
for (const [name, type] of Object.entries(KEYS)) {
  const path = new URL(`${name}.pem`, import.meta.url).pathname;
  await createKeyFile(path, { type, passphrase: null });
}
