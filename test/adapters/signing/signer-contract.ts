import { describe, expect, it } from '@jest/globals';
import { Key as TufJsKey, Metadata, MetadataKind } from '@tufjs/models';
import type { Signer } from '../../../adapters/signing/signer.ts';
import { canonicalBytes } from '../../../core/tuf/canonical.ts';
import { newTargets } from '../../../core/tuf/edit.ts';
import { isSignedBy, keyId, keySchema } from '../../../core/tuf/keys.ts';

/** What every Signer does, wherever its key lives; `open` opens the same key each time. */
export function signerContract(name: string, open: () => Promise<Signer>): void {
  describe(`a signer: ${name}`, () => {
    const signed = newTargets({ version: 1, expires: '2030-01-01T00:00:00Z' });
    const bytes = canonicalBytes(signed);

    it('has a key of the profile, and its standard id', async () => {
      await using signer = await open();
      expect(keySchema.parse(signer.key)).toEqual(signer.key);
      expect(signer.keyId).toBe(keyId(signer.key));
    });

    it('is the same key when it is opened again', async () => {
      await using first = await open();
      await using second = await open();
      expect(second.keyId).toBe(first.keyId);
      expect(isSignedBy(second.key, bytes, await first.sign(bytes))).toBe(true);
    });

    it('signs in lower-case hex what its key verifies', async () => {
      await using signer = await open();
      const signature = await signer.sign(bytes);
      expect(signature).toMatch(/^(?:[0-9a-f]{2})+$/);
      expect(isSignedBy(signer.key, bytes, signature)).toBe(true);
      expect(isSignedBy(signer.key, bytes.subarray(1), signature)).toBe(false);
    });

    it('signs what tuf-js verifies', async () => {
      await using signer = await open();
      const envelope = (sig: string) =>
        Metadata.fromJSON(
          MetadataKind.Targets,
          JSON.parse(JSON.stringify({ signed, signatures: [{ keyid: signer.keyId, sig }] })),
        );
      const key = TufJsKey.fromJSON(signer.keyId, signer.key);
      key.verifySignature(envelope(await signer.sign(bytes)));
      const other = await signer.sign(new TextEncoder().encode('other'));
      expect(() => {
        key.verifySignature(envelope(other));
      }).toThrow();
    });

    it('signs a megabyte, and nothing at all', async () => {
      await using signer = await open();
      for (const size of [0, 1024 * 1024]) {
        const message = new Uint8Array(size).fill(7);
        expect(isSignedBy(signer.key, message, await signer.sign(message))).toBe(true);
      }
    });

    it('signs several things at the same time', async () => {
      await using signer = await open();
      const messages = Array.from({ length: 8 }, (_, index) => Uint8Array.of(index));
      const signatures = await Promise.all(messages.map((message) => signer.sign(message)));
      const verified = messages.map((message, index) =>
        isSignedBy(signer.key, message, signatures[index] ?? ''),
      );
      expect(verified).toEqual(messages.map(() => true));
    });

    it('names its source without its key', async () => {
      await using signer = await open();
      expect(signer.source).toMatch(/^[a-z0-9-]+:/);
      expect(signer.source).not.toContain('PRIVATE');
    });
  });
}
