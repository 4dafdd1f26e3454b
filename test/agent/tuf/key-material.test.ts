import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { keyMaterial } from '../../../agent/tuf/key-material.ts';

const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey;
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey;
const ed25519 = generateKeyPairSync('ed25519').publicKey;
const pem = (key: typeof rsa) => key.export({ type: 'spki', format: 'pem' }).toString();
const hex = (text: string | undefined) => Buffer.from(text ?? '', 'base64url').toString('hex');

function compressed(): string {
  const { x = '', y = '' } = p256.export({ format: 'jwk' });
  const isOdd = (Buffer.from(y, 'base64url').at(-1) ?? 0) % 2 === 1;
  const der = Buffer.concat([
    Buffer.from('3039301306072a8648ce3d020106082a8648ce3d030107032200', 'hex'),
    Buffer.from(isOdd ? '03' : '02', 'hex'),
    Buffer.from(x, 'base64url'),
  ]);
  return pem(createPublicKey({ key: der, format: 'der', type: 'spki' }));
}

describe('keyMaterial', () => {
  const { x, y } = p256.export({ format: 'jwk' });
  const edwards = hex(ed25519.export({ format: 'jwk' }).x);
  it.each([
    ['RSA without its last line break', pem(rsa), pem(rsa).trimEnd()],
    ['RSA with other line breaks', pem(rsa), pem(rsa).replaceAll('\n', '\r\n')],
    ['P-256 as a compressed point', pem(p256), compressed()],
    ['P-256 as a point in hex', pem(p256), `04${hex(x)}${hex(y)}`],
    ['ed25519 in upper case', edwards, edwards.toUpperCase()],
    ['ed25519 as PEM', edwards, pem(ed25519)],
  ])('knows the same key again: %s', (_, one, other) => {
    expect(one).not.toBe(other);
    expect(keyMaterial(other)).toBe(keyMaterial(one));
  });

  it('tells different keys apart', () => {
    const all = [pem(rsa), pem(p256), edwards, '-----BEGIN nonsense', 'ab'];
    expect(new Set(all.map(keyMaterial)).size).toBe(all.length);
  });
});
