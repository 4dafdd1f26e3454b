import { describe, expect, it } from '@jest/globals';
import { canonicalBytes } from '../../../core/tuf/canonical.ts';
import { newRoot, nextEdition } from '../../../core/tuf/edit.ts';
import type { RootMetadata, Signature } from '../../../core/tuf/metadata.ts';
import {
  contentOf,
  isExpired,
  signersOf,
  verifyContent,
  verifyFresh,
  verifyNextRoot,
  verifyNotOlder,
  verifySignatures,
  verifyVersion,
} from '../../../core/tuf/verify.ts';
import { EDITION, sampleKey, sampleMetadata } from '../../support/tuf-samples.ts';
import type { SampleKey } from '../../support/tuf-samples.ts';

const code = (expected: string) => expect.objectContaining({ code: expected });
const signed = sampleMetadata().timestamp;
const keys = [sampleKey(), sampleKey(), sampleKey()] as const;
const stranger = sampleKey();
const trust = {
  keyids: keys.map(({ keyId }) => keyId),
  threshold: 2,
  keys: Object.fromEntries([...keys, stranger].map(({ keyId, key }) => [keyId, key])),
};

function verify(signatures: readonly Signature[], role = trust): void {
  verifySignatures('f', { signatures, signedBytes: canonicalBytes(signed) }, role);
}

describe('verifySignatures', () => {
  const [a, b, c] = keys;

  it('accepts any two of three', () => {
    verify([a.sign(signed), b.sign(signed)]);
    verify([b.sign(signed), c.sign(signed)]);
    verify([a.sign(signed), b.sign(signed), c.sign(signed), stranger.sign(signed)]);
  });

  const other = { ...signed, version: 2 };
  it.each([
    ['none', []],
    ['one', [a.sign(signed)]],
    ['one that counts twice', [a.sign(signed), a.sign(signed)]],
    ['one under the id of another', [a.sign(signed), { ...a.sign(signed), keyid: b.keyId }]],
    [
      'one of a key that is known but has no part in the role',
      [a.sign(signed), stranger.sign(signed)],
    ],
    ['one of other content', [a.sign(signed), b.sign(other)]],
    ['one that is empty', [a.sign(signed), { keyid: b.keyId, sig: '' }]],
    [
      'one under a name that every object has',
      [a.sign(signed), { keyid: 'constructor', sig: 'ab' }],
    ],
  ])('refuses %s', (_, signatures) => {
    expect(() => {
      verify(signatures);
    }).toThrow(code('tuf/threshold'));
  });

  it('tells who signed, each once', () => {
    const signatures = [a.sign(signed), a.sign(signed), b.sign(other), c.sign(signed)];
    expect(signersOf({ signatures, signedBytes: canonicalBytes(signed) }, trust)).toEqual([
      a.keyId,
      c.keyId,
    ]);
  });
});

describe('verifyNextRoot', () => {
  const [old, fresh] = keys;

  function rootOf({ key }: SampleKey): RootMetadata {
    const holder = { keys: [key], threshold: 1 };
    return newRoot({ root: holder, targets: holder, snapshot: holder, timestamp: holder }, EDITION);
  }
  function next(root: RootMetadata, signers: readonly SampleKey[]) {
    const signatures = signers.map((signer) => signer.sign(root));
    return { signed: root, signatures, signedBytes: canonicalBytes(root) };
  }
  const trusted = rootOf(old);
  const rotated = nextEdition(rootOf(fresh), { ...EDITION, version: 2 });

  it('accepts a root that the old and the new key signed', () => {
    verifyNextRoot('f', trusted, next(rotated, [old, fresh]));
  });

  it.each([
    ['the new key alone', [fresh]],
    ['the old key alone', [old]],
    ['a stranger', [stranger]],
  ])('refuses a root signed by %s', (_, signers) => {
    expect(() => {
      verifyNextRoot('f', trusted, next(rotated, signers));
    }).toThrow(code('tuf/threshold'));
  });

  it.each([1, 3])('refuses version %p after version 1', (version) => {
    expect(() => {
      verifyNextRoot('f', trusted, next({ ...rotated, version }, [old, fresh]));
    }).toThrow(code('tuf/version'));
  });
});

describe('verifyContent', () => {
  const bytes = new TextEncoder().encode('content');

  it('accepts the very bytes', () => {
    verifyContent('f', contentOf(bytes), bytes);
  });

  it('refuses another length and another hash', () => {
    expect(() => {
      verifyContent('f', contentOf(bytes), bytes.subarray(1));
    }).toThrow(code('tuf/length'));
    expect(() => {
      verifyContent('f', contentOf(bytes), bytes.toReversed());
    }).toThrow(code('tuf/hash'));
  });
});

describe('versions and expiry', () => {
  it('demands exactly the version that the parent names', () => {
    verifyVersion('f', 3, 3);
    for (const got of [2, 4]) {
      expect(() => {
        verifyVersion('f', 3, got);
      }).toThrow(code('tuf/version'));
    }
  });

  it('lets a version stand or rise, but not fall', () => {
    verifyNotOlder('f', 3, 3);
    verifyNotOlder('f', 3, 9);
    expect(() => {
      verifyNotOlder('f', 3, 2);
    }).toThrow(code('tuf/version'));
  });

  it('expires at the second that it names', () => {
    const metadata = { expires: '2040-01-01T00:00:00Z' };
    expect(isExpired(metadata, new Date('2039-12-31T23:59:59.999Z'))).toBe(false);
    expect(isExpired(metadata, new Date('2040-01-01T00:00:00Z'))).toBe(true);
    expect(() => {
      verifyFresh('f', metadata, new Date('2040-01-01T00:00:00Z'));
    }).toThrow(code('tuf/expired'));
  });
});
