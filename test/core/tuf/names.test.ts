import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  findPrefixConflict,
  imageTarget,
  isDelegatedRoleName,
  isPathPattern,
  isTargetName,
  matchesPath,
  platformOfRole,
  releaseDocumentTarget,
  releasesPath,
  releasesRole,
  versionOfDocument,
  versionOfImage,
} from '../../../core/tuf/names.ts';

const platform = { variant: 'aws-k8s-1.32', arch: 'x86_64' };

const anyVariant = fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,20}$/);
const anyArch = fc.stringMatching(/^[a-z0-9][a-z0-9_]{0,8}$/);
const anyPlatform = fc.record({ variant: anyVariant, arch: anyArch });

describe('the naming scheme', () => {
  it('names roles and targets as design and clients expect', () => {
    expect(releasesRole(platform)).toBe('releases-aws-k8s-1.32-x86_64');
    expect(releasesPath(platform)).toBe('aws-k8s-1.32-x86_64-*');
    const release = { ...platform, version: '1.1.0', image: 'root' };
    expect(imageTarget({ ...release, format: 'raw' })).toBe('aws-k8s-1.32-x86_64-1.1.0-root');
    expect(imageTarget({ ...release, format: 'lz4' })).toBe('aws-k8s-1.32-x86_64-1.1.0-root.lz4');
    expect(imageTarget({ ...release, format: 'zstd' })).toBe('aws-k8s-1.32-x86_64-1.1.0-root.zst');
    expect(releaseDocumentTarget(release)).toBe('aws-k8s-1.32-x86_64-1.1.0-release.json');
  });

  it('reads every role and document name back', () => {
    const version = fc.constantFrom('0.0.1', '1.2.3-rc-release.json', '10.0.0-a.b-c', '1.0.0-root');
    fc.assert(
      fc.property(anyPlatform, version, (some, text) => {
        expect(platformOfRole(releasesRole(some))).toEqual(some);
        const target = releaseDocumentTarget({ ...some, version: text });
        expect(versionOfDocument(some, target)).toBe(text);
        expect(versionOfImage(some, target)).toBeNull();
        for (const format of ['raw', 'lz4', 'zstd'] as const) {
          const stored = imageTarget({ ...some, version: text, image: 'root', format });
          expect(versionOfImage(some, stored)).toBe(text);
        }
        expect(matchesPath(releasesPath(some), target)).toBe(true);
        expect(isTargetName(target) && isDelegatedRoleName(releasesRole(some))).toBe(true);
      }),
      { seed: 1 },
    );
  });

  it.each([
    ['an upper-case variant', () => releasesRole({ ...platform, variant: 'AWS' })],
    ['an empty variant', () => releasesRole({ ...platform, variant: '' })],
    ['a variant that climbs', () => releasesRole({ ...platform, variant: '../x' })],
    ['a variant with a line break', () => releasesRole({ ...platform, variant: 'a\n' })],
    ['a variant with a glob', () => releasesRole({ ...platform, variant: 'a*' })],
    ['a variant of 65 characters', () => releasesRole({ ...platform, variant: 'a'.repeat(65) })],
    ['an arch with a dash', () => releasesRole({ ...platform, arch: 'x86-64' })],
    ['a version with build metadata', () => document('1.0.0+1')],
    ['a version that is none', () => document('1.0')],
    ['a version of 65 characters', () => document(`1.0.0-${'a'.repeat(59)}`)],
    ['an image with a dash', () => image('root-a')],
    ['an image with a dot', () => image('root.lz4')],
    ['the image name of the document', () => image('release')],
  ])('refuses %s', (_, make) => {
    expect(make).toThrow(expect.objectContaining({ code: 'tuf/name' }));
  });

  it('keeps every name short enough for a file behind its hash', () => {
    const longest = { variant: 'v'.repeat(64), arch: 'a'.repeat(32) };
    expect(() => releaseDocumentTarget({ ...longest, version: `1.0.0-${'a'.repeat(50)}` })).toThrow(
      expect.objectContaining({ code: 'tuf/name' }),
    );
    const version = `1.0.0-${'a'.repeat(16)}`;
    const target = imageTarget({ ...longest, version, image: 'i'.repeat(32), format: 'lz4' });
    expect(isTargetName(target)).toBe(true);
  });

  function document(version: string): string {
    return releaseDocumentTarget({ ...platform, version });
  }
  function image(name: string): string {
    return imageTarget({ ...platform, version: '1.0.0', image: name, format: 'raw' });
  }
});

describe('isDelegatedRoleName', () => {
  it.each(['root', 'targets', 'snapshot', 'timestamp', '10', 'Rollouts', 'a/b', '../a', 'a b', ''])(
    'refuses %p',
    (name) => {
      expect(isDelegatedRoleName(name)).toBe(false);
    },
  );
});

describe('isPathPattern', () => {
  it.each([
    ['manifest.json', true],
    ['a-x86_64-*', true],
    ['*', false],
    ['a*b', false],
    ['a**', false],
    ['a?', false],
    ['{a,b}', false],
    ['a/*', false],
    ['!a', false],
    ['.a', false],
  ])('%p -> %p', (pattern, expected) => {
    expect(isPathPattern(pattern)).toBe(expected);
  });
});

describe('platformOfRole', () => {
  it.each(['rollouts', 'releases-', 'releases-a', 'releases-a-', 'releases--a', 'releases-A-b'])(
    'is null for %p',
    (role) => {
      expect(platformOfRole(role)).toBeNull();
    },
  );
});

describe('findPrefixConflict', () => {
  it('finds a variant that hides in the names of another', () => {
    const a = { variant: 'a', arch: 'x86_64' };
    const hidden = { variant: 'a-x86_64-b', arch: 'aarch64' };
    const between = { variant: 'a-x86_64', arch: 'aarch64' };
    expect(findPrefixConflict([hidden, between, a])).toEqual([a, between]);
    expect(findPrefixConflict([hidden, a])).toEqual([a, hidden]);
  });

  it('lets one variant have two arches, and variants that only begin alike', () => {
    const platforms = [
      { variant: 'aws', arch: 'x86_64' },
      { variant: 'aws', arch: 'aarch64' },
      { variant: 'aws-k8s', arch: 'x86_64' },
      { variant: 'aw', arch: 'x86_64' },
    ];
    expect(findPrefixConflict(platforms)).toBeNull();
  });

  it('finds exactly what comparing every pair finds', () => {
    const part = fc.constantFrom('a', 'b', 'a-b', 'a-b-a', 'b-a', 'a-a', 'a-b-a-b');
    const platforms = fc.array(fc.record({ variant: part, arch: fc.constantFrom('a', 'b') }), {
      maxLength: 6,
    });
    fc.assert(
      fc.property(platforms, (some) => {
        const prefixes = some.map(({ variant, arch }) => `${variant}-${arch}-`);
        const conflict = prefixes.some((one, i) =>
          prefixes.some((other, j) => i !== j && other.startsWith(one)),
        );
        return (findPrefixConflict(some) !== null) === conflict;
      }),
      { seed: 1, numRuns: 500 },
    );
  });
});
