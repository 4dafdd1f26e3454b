import { spawnSync } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';
import { makeWorkplace } from '../support/cli.ts';

describe('tidegate key export', () => {
  it.each([
    ['ed25519', 'DER'],
    ['ecdsa-p256', 'DER'],
    ['rsa', 'PEM'],
  ])(
    'writes a key of type %s that OpenSSL reads as %s',
    async (type, form) => {
      await using at = await makeWorkplace();
      await at.must('key', 'new', '--type', type, '--out', 'k.pem');
      await at.must('key', 'public', 'file:k.pem', '--out', 'k.pub');
      await at.must('key', 'export', 'file:k.pem', '--for', 'tuftool', '--out', 'copy');
      const openssl = (...args: readonly string[]) =>
        spawnSync('openssl', ['pkey', ...args], { cwd: at.folder, encoding: 'utf8' });
      const ofCopy = openssl('-inform', form, '-in', 'copy', '-pubout');
      const ofPublic = openssl('-pubin', '-in', 'k.pub');
      expect(ofCopy).toMatchObject({ status: 0, stdout: expect.stringContaining('PUBLIC KEY') });
      expect(ofPublic).toMatchObject({ status: 0, stdout: ofCopy.stdout });
    },
    60_000,
  );
});
