import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { publicKeyFromPem, signerFromPem } from '../../../adapters/signing/pem.ts';
import { keyId } from '../../../core/tuf/keys.ts';
import { signerContract } from './signer-contract.ts';

const PAIRS = {
  ed25519: generateKeyPairSync('ed25519'),
  'ECDSA P-256': generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  RSA: generateKeyPairSync('rsa', { modulusLength: 2048 }),
};
const PASSPHRASE = 'correct horse';

function options(passphrase: string | null = null) {
  return { source: 'file:key.pem', passphrases: { tries: 1, ask: async () => passphrase } };
}

function plainPem(type: keyof typeof PAIRS): string {
  return PAIRS[type].privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

function encryptedPem(type: keyof typeof PAIRS): string {
  return PAIRS[type].privateKey
    .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: PASSPHRASE })
    .toString();
}

function publicPem(type: keyof typeof PAIRS): string {
  return PAIRS[type].publicKey.export({ type: 'spki', format: 'pem' }).toString();
}

for (const type of ['ed25519', 'ECDSA P-256', 'RSA'] as const) {
  signerContract(`PEM, ${type}`, () => signerFromPem(plainPem(type), options()));
  signerContract(`encrypted PEM, ${type}`, () =>
    signerFromPem(encryptedPem(type), options(PASSPHRASE)),
  );
}

describe('signerFromPem', () => {
  it.each([
    ['a public key', publicPem('ed25519'), 'signing/not-a-key'],
    ['nothing', '', 'signing/not-a-key'],
    ['text', 'hello', 'signing/not-a-key'],
    [
      'a certificate',
      '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
      'signing/not-a-key',
    ],
    ['half a key', plainPem('RSA').slice(0, 600), 'signing/not-a-key'],
    [
      'an empty block',
      '-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n',
      'signing/not-a-key',
    ],
    ['P-384', pemOf(generateKeyPairSync('ec', { namedCurve: 'P-384' })), 'signing/unsupported'],
    [
      'RSA of 1024 bits',
      pemOf(generateKeyPairSync('rsa', { modulusLength: 1024 })),
      'signing/unsupported',
    ],
    [
      'PKCS#1',
      PAIRS.RSA.privateKey.export({ type: 'pkcs1', format: 'pem' }).toString(),
      'signing/unsupported',
    ],
    ['an encrypted key without a passphrase', encryptedPem('ed25519'), 'signing/passphrase'],
  ])('refuses %s', async (_, pem, code) => {
    await expect(signerFromPem(pem, options())).rejects.toMatchObject({ code });
  });

  it.each(['wrong', ''])('refuses the passphrase %p', async (passphrase) => {
    await expect(signerFromPem(encryptedPem('ed25519'), options(passphrase))).rejects.toMatchObject(
      { code: 'signing/passphrase' },
    );
  });

  function pemOf(pair: ReturnType<typeof generateKeyPairSync>): string {
    return pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  }
});

describe('publicKeyFromPem', () => {
  it.each(['ed25519', 'ECDSA P-256', 'RSA'] as const)(
    'reads one %s key from its public and its private half',
    async (type) => {
      const fromPublic = await publicKeyFromPem(publicPem(type), options());
      const fromPrivate = await publicKeyFromPem(plainPem(type), options());
      const fromEncrypted = await publicKeyFromPem(encryptedPem(type), options(PASSPHRASE));
      expect(new Set([fromPublic, fromPrivate, fromEncrypted].map(keyId)).size).toBe(1);
    },
  );

  it('refuses a damaged public key', async () => {
    const damaged = publicPem('RSA').replace('MII', 'MIJ');
    await expect(publicKeyFromPem(damaged, options())).rejects.toMatchObject({
      code: 'signing/not-a-key',
    });
  });
});
