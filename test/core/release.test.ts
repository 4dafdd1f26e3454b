import { describe, expect, it } from '@jest/globals';
import { formatRelease, parseRelease } from '../../core/release.ts';
import type { Release } from '../../core/release.ts';

const sha256 = 'ab'.repeat(32);
const release: Release = {
  schema: 'tidegate.release/1',
  variant: 'aws-k8s-1.32',
  arch: 'x86_64',
  version: '1.1.0',
  images: {
    root: { target: 'aws-k8s-1.32-x86_64-1.1.0-root.lz4', format: 'lz4', size: 4096, sha256 },
    hash: { target: 'aws-k8s-1.32-x86_64-1.1.0-hash', format: 'raw', size: 0, sha256 },
  },
  verity: { image: 'root', hashImage: 'hash', rootHash: sha256 },
  minimumFrom: '1.0.0',
  rollbackTo: ['1.0.0', '1.1.0-rc.1'],
  migrations: ['migrate_v1.1.0_add-key.lz4'],
  notes: 'https://example.com/notes',
  createdAt: '2026-03-01T12:00:00Z',
};
const plain: Release = { ...release, verity: null, minimumFrom: null, rollbackTo: [], notes: null };

function parse(value: unknown): Release {
  return parseRelease(new TextEncoder().encode(JSON.stringify(value)));
}

describe('formatRelease', () => {
  it.each([release, plain])('writes what parseRelease reads', (some) => {
    expect(parseRelease(formatRelease(some))).toEqual(some);
  });

  it('writes the same bytes whatever the order of the keys', () => {
    const reversed = parse(Object.fromEntries(Object.entries(release).toReversed()));
    expect(formatRelease(reversed)).toEqual(formatRelease(release));
  });

  it('refuses to write what it would not read', () => {
    expect(() => formatRelease({ ...release, minimumFrom: '1.1.0' })).toThrow(
      expect.objectContaining({ code: 'release/contradiction' }),
    );
  });
});

describe('parseRelease', () => {
  it('reads a document that binds its provenance, and one of before there was any', () => {
    const target = `${plain.variant}-${plain.arch}-${plain.version}-provenance.json`;
    const provenance = { target, length: 7, sha256 };
    expect(parse({ ...plain, provenance })).toEqual({ ...plain, provenance });
    expect(parse(plain)).not.toHaveProperty('provenance');
  });

  const { root } = release.images;

  it.each([
    ['another schema', { schema: 'tidegate.release/2' }],
    ['an unknown field', { force: true }],
    ['a variant with a slash', { variant: 'a/b' }],
    ['a version that is none', { version: '1.1' }],
    ['no images', { images: {} }],
    ['an unknown format', { images: { root: { ...root, format: 'gzip' } } }],
    ['a negative size', { images: { root: { ...root, size: -1 } } }],
    ['half a byte', { images: { root: { ...root, size: 0.5 } } }],
    ['an upper-case hash', { images: { root: { ...root, sha256: sha256.toUpperCase() } } }],
    ['an image name with a slash', { images: { 'a/b': root } }],
    ['notes that are no link', { notes: 'javascript:alert(1)' }],
    ['a time without a zone', { createdAt: '2026-03-01T12:00:00' }],
    ['a migration with a line break', { migrations: ['a\nb'] }],
  ])('refuses %s', (_, change) => {
    expect(() => parse({ ...plain, ...change })).toThrow(
      expect.objectContaining({ code: 'release/format' }),
    );
  });

  it.each([
    ['a barrier at its own version', { minimumFrom: '1.1.0' }],
    ['a barrier above it', { minimumFrom: '1.2.0' }],
    ['a way back to itself', { rollbackTo: ['1.1.0'] }],
    ['a way back upwards', { rollbackTo: ['1.0.0', '1.10.0'] }],
    ['a way back twice', { rollbackTo: ['1.0.0', '1.0.0'] }],
    [
      'an image of another release',
      { images: { root: { ...root, target: 'other-x86_64-1-root' } } },
    ],
    ['an image of another format', { images: { root: { ...root, format: 'zstd' } } }],
    ['an image under the name of another', { images: { boot: root } }],
    ['an image called release', { images: { release: root } }],
    ['an image called provenance', { images: { provenance: root } }],
    [
      'the provenance of another release',
      { provenance: { target: 'other-x86_64-1-provenance.json', length: 1, sha256 } },
    ],
    ['a verity image that is not there', { verity: { ...release.verity, hashImage: 'tree' } }],
    [
      'a verity image named like a property',
      { verity: { ...release.verity, image: 'constructor' } },
    ],
    ['an image that is its own hash', { verity: { ...release.verity, hashImage: 'root' } }],
    [
      'names that are too long together',
      { variant: 'v'.repeat(64), arch: 'a'.repeat(32), version: `1.0.0-${'b'.repeat(50)}` },
    ],
  ])('refuses %s', (_, change) => {
    expect(() => parse({ ...plain, ...change })).toThrow(
      expect.objectContaining({ code: 'release/contradiction' }),
    );
  });

  it.each([
    ['text', 'release'],
    ['nothing', ''],
    ['a key that stands twice', '{"schema":"tidegate.release/1","schema":"tidegate.release/1"}'],
  ])('refuses %s', (_, text) => {
    expect(() => parseRelease(new TextEncoder().encode(text))).toThrow(
      expect.objectContaining({ code: 'release/format' }),
    );
  });

  it('refuses bytes that are not UTF-8', () => {
    expect(() => parseRelease(Uint8Array.of(0x22, 0xff, 0x22))).toThrow(
      expect.objectContaining({ code: 'release/format' }),
    );
  });
});
