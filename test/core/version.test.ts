import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { compareVersions, isVersion, parseVersion, VersionError } from '../../core/version.ts';

const numbers = fc.constantFrom('0', '1', '2', '10', '18446744073709551615');
const preRelease = fc.constantFrom(
  '0',
  '1',
  '10',
  'a',
  'A',
  '-',
  '1a',
  'rc',
  '99999999999999999999',
);
const build = fc.constantFrom('0', '00', '1', '01', '001', '10', 'a', 'A', '-', '0a', '2026');

function list(identifier: fc.Arbitrary<string>): fc.Arbitrary<readonly string[]> {
  return fc.array(identifier, { maxLength: 3 });
}

/** Few different parts, so that ties are common and every rule of the order is reached. */
const versions = fc
  .tuple(numbers, numbers, numbers, list(preRelease), list(build))
  .map(([major, minor, patch, before, after]) => {
    const suffix = before.length === 0 ? '' : `-${before.join('.')}`;
    return `${major}.${minor}.${patch}${suffix}${after.length === 0 ? '' : `+${after.join('.')}`}`;
  });

function withoutBuild(version: string): string {
  return version.replace(/\+.*/, '');
}

describe('parseVersion', () => {
  it('gives the parts, with numbers of 64 bits', () => {
    expect(parseVersion('1.2.18446744073709551615-rc.1+01.a')).toEqual({
      major: 1n,
      minor: 2n,
      patch: 18446744073709551615n,
      preRelease: ['rc', '1'],
      build: ['01', 'a'],
    });
  });

  it.each(['0.0.0', '1.0.0--', '1.0.0-0a', '1.0.0-0.0', '1.0.0+00', '1.0.0-x-y-z.--'])(
    'takes %s',
    (text) => {
      expect(isVersion(text)).toBe(true);
    },
  );

  it.each([
    '',
    '1',
    '1.0',
    '1.0.0.0',
    'v1.0.0',
    'V1.0.0',
    ' 1.0.0',
    '1.0.0\n',
    '01.0.0',
    '1.00.0',
    '-1.0.0',
    '1.0.0-',
    '1.0.0+',
    '1.0.0-a..b',
    '1.0.0-01',
    '1.0.3-beta.1.01',
    '1.0.0+a+b',
    '1.0.0-ä',
    '1.0.18446744073709551616',
    '١.0.0',
    `1.0.0-${'a'.repeat(300)}`,
  ])('refuses %j', (text) => {
    expect(isVersion(text)).toBe(false);
    expect(() => parseVersion(text)).toThrow(VersionError);
  });
});

describe('compareVersions', () => {
  it('orders numbers by value, small and large', () => {
    const part = fc.oneof(fc.nat(11), fc.integer({ min: 999_999_990, max: 1_000_000_010 }));
    const triple = fc.tuple(part, part, part);
    fc.assert(
      fc.property(triple, triple, (a, b) => {
        const index = a.findIndex((number, at) => number !== b[at]);
        const expected = index < 0 ? 0 : Math.sign((a[index] ?? 0) - (b[index] ?? 0));
        expect(Math.sign(compareVersions(a.join('.'), b.join('.')))).toBe(expected);
      }),
      { seed: 8, numRuns: 1000 },
    );
  });

  it.each([
    // SemVer 11.4.4's own example.
    '1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0',
    '1.0.0 2.0.0 2.1.0 2.1.1 2.1.10 2.10.0 10.0.0',
    '1.0.0-1 1.0.0-2 1.0.0-10 1.0.0-99999999999999999999 1.0.0-- 1.0.0-A 1.0.0-a',
    // The build order of Rust's semver 1.0: none first, numbers by value and then by zeros, before words.
    '1.0.0 1.0.0+0 1.0.0+00 1.0.0+1 1.0.0+01 1.0.0+001 1.0.0+2 1.0.0+02 1.0.0+10 1.0.0+a',
    '1.0.0+a 1.0.0+a.0 1.0.0+a.0.0 1.0.0+a.a 1.0.0+b',
    '1.0.0-rc+z 1.0.0 1.0.0+a 1.0.1-0',
  ])('orders %s as Rust does', (line) => {
    const ordered = line.split(' ');
    ordered.forEach((a, i) => {
      ordered.forEach((b, j) => {
        expect([a, b, compareVersions(a, b)]).toEqual([a, b, Math.sign(i - j)]);
      });
    });
  });

  it('is antisymmetric, and 0 only for the same text', () => {
    fc.assert(
      fc.property(versions, versions, (a, b) => {
        expect(compareVersions(a, b) + compareVersions(b, a)).toBe(0);
        expect(compareVersions(a, b) === 0).toBe(a === b);
      }),
      { seed: 1, numRuns: 2000 },
    );
  });

  it('is transitive', () => {
    fc.assert(
      fc.property(versions, versions, versions, (a, b, c) => {
        fc.pre(compareVersions(a, b) <= 0 && compareVersions(b, c) <= 0);
        expect(compareVersions(a, c)).toBeLessThanOrEqual(0);
      }),
      { seed: 2, numRuns: 1000 },
    );
  });

  it('lets build metadata break ties only', () => {
    fc.assert(
      fc.property(versions, versions, (a, b) => {
        const precedence = compareVersions(withoutBuild(a), withoutBuild(b));
        fc.pre(precedence !== 0);
        expect(compareVersions(a, b)).toBe(precedence);
      }),
      { seed: 3, numRuns: 1000 },
    );
  });
});
