import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { formatManifest, parseManifest } from '../../../core/bottlerocket/manifest.ts';
import { codeOf as codeOfAction, START, updateOf, wavesAt } from './updog-samples.ts';

const SAMPLE = `{
  "updates": [
    {
      "variant": "metal",
      "arch": "x86_64",
      "version": "1.1.0",
      "max_version": "1.2.0",
      "waves": {
        "0": "2000-01-01T00:00:00Z",
        "20": "2000-01-01T00:00:00.500Z",
        "1000": "2000-01-01T00:00:01.000000001Z"
      },
      "images": {
        "boot": "1.1.0-boot",
        "root": "1.1.0-root",
        "hash": "1.1.0-hash"
      }
    }
  ],
  "migrations": {
    "(1.10.0, 1.11.0)": [],
    "(1.9.0, 1.10.0)": [
      "migrate_v1.10.0_a.lz4"
    ]
  }
}`;

type Json = Record<string, unknown>;

/** The sample with changes to its only update and to the manifest itself. */
function sampleWith(update: Json, manifest: Json = {}): string {
  const sample = JSON.parse(SAMPLE);
  return JSON.stringify({ ...sample, updates: [{ ...sample.updates[0], ...update }], ...manifest });
}

function without(key: string, object: Json): Json {
  return Object.fromEntries(Object.entries(object).filter(([name]) => name !== key));
}

function codeOf(text: string): string {
  return codeOfAction(() => parseManifest(text));
}

describe('parseManifest', () => {
  it('reads updates and migrations, bounds by number', () => {
    expect(parseManifest(SAMPLE)).toEqual({
      updates: [
        updateOf('1.1.0', {
          maxVersion: '1.2.0',
          waves: [
            [0, START],
            [20, START + 500_000_000n],
            [1000, START + 1_000_000_001n],
          ],
        }),
      ],
      migrations: [
        { from: '1.10.0', to: '1.11.0', names: [] },
        { from: '1.9.0', to: '1.10.0', names: ['migrate_v1.10.0_a.lz4'] },
      ],
    });
  });

  it('passes over keys that it does not know, even where they stand twice', () => {
    const text = SAMPLE.replace(
      '"variant"',
      '"status": 1, "status": 2, "x": {"a": 1, "a": 2}, "variant"',
    );
    expect(parseManifest(text)).toEqual(parseManifest(SAMPLE));
    expect(codeOf(sampleWith({}, { rollouts: [], '': null }))).toBe('no error');
  });

  it.each(['variant', 'arch', 'version', 'max_version', 'waves', 'images'])(
    'demands %s of an update, and only once',
    (key) => {
      const sample = JSON.parse(SAMPLE);
      const text = JSON.stringify({ ...sample, updates: [without(key, sample.updates[0])] });
      expect(codeOf(text)).toBe('bottlerocket/manifest');
      const value = JSON.stringify(sample.updates[0][key]);
      expect(codeOf(SAMPLE.replace('"variant"', `"${key}": ${value}, "variant"`))).toBe(
        'bottlerocket/manifest',
      );
    },
  );

  it.each(['boot', 'root', 'hash'])('demands the image %s, and only once', (key) => {
    const { images } = JSON.parse(SAMPLE).updates[0];
    expect(codeOf(sampleWith({ images: without(key, images) }))).toBe('bottlerocket/manifest');
    expect(codeOf(SAMPLE.replace('"boot"', `"${key}": "x", "boot"`))).toBe('bottlerocket/manifest');
  });

  it.each([
    { case: 'no JSON', text: '{' },
    { case: 'no updates', text: '{"migrations":{}}' },
    { case: 'no migrations', text: '{"updates":[]}' },
    { case: 'updates twice', text: '{"updates":[],"updates":[],"migrations":{}}' },
    { case: 'waves as a list', text: sampleWith({ waves: [] }) },
    { case: 'a time that is no text', text: sampleWith({ waves: { 0: 1 } }) },
    {
      case: 'a migration list of numbers',
      text: sampleWith({}, { migrations: { '(1.0.0, 1.1.0)': [1] } }),
    },
  ])('refuses $case', ({ text }) => {
    expect(codeOf(text)).toBe('bottlerocket/manifest');
  });

  it.each([
    ['0', 0],
    ['007', 7],
    ['+5', 5],
    ['2049', 2049],
    ['4294967295', 4_294_967_295],
  ])('takes the bound %j', (key, bound) => {
    const [update] = parseManifest(sampleWith({ waves: { [key]: '2000-1-1 0:0:0 UTC' } })).updates;
    expect(update?.waves).toEqual([[bound, START]]);
  });

  it.each(['', '-1', ' 1', '1.0', '+', '0x1', '1e3', '234ab32', '4294967296', '__proto__'])(
    'refuses the bound %j',
    (key) => {
      const text = SAMPLE.replace('"20"', JSON.stringify(key));
      expect(codeOf(text)).toBe('bottlerocket/bound');
    },
  );

  it.each([
    { case: 'written alike', key: '0', code: 'bottlerocket/duplicate-bound' },
    { case: 'written in two ways', key: '00', code: 'bottlerocket/duplicate-bound' },
    { case: 'one with a sign', key: '+0', code: 'bottlerocket/duplicate-bound' },
  ])('refuses a bound that stands twice, $case', ({ key, code }) => {
    expect(codeOf(SAMPLE.replace('"20"', `"${key}"`))).toBe(code);
  });

  it('takes an array of its values for an object, as serde does', () => {
    const update = [
      'metal',
      'x86_64',
      '1.1.0',
      '1.1.0',
      {},
      ['1.1.0-boot', '1.1.0-root', '1.1.0-hash'],
    ];
    expect(parseManifest(JSON.stringify([[update], {}]))).toEqual({
      updates: [updateOf('1.1.0')],
      migrations: [],
    });
    expect(codeOf(JSON.stringify([[update]]))).toBe('bottlerocket/manifest');
  });

  it('refuses half a surrogate pair, which no Rust string can hold', () => {
    expect(codeOf(SAMPLE.replace('"metal"', '"\\ud800"'))).toBe('bottlerocket/manifest');
  });

  it('finds out in linear time that a key of a megabyte is no pair', () => {
    const text = sampleWith({}, { migrations: { ['('.repeat(1_000_000)]: [] } });
    expect(codeOf(text)).toBe('bottlerocket/migration-key');
  });

  it('refuses a time that chrono refuses', () => {
    expect(codeOf(sampleWith({ waves: { 0: '2000-01-01' } }))).toBe('bottlerocket/time');
  });

  it.each(['(1.0.0, 1.1.0)', '(1.0.0,1.1.0)', 'x(1.0.0,   1.1.0)y', '((1.0.0, 1.1.0))'])(
    'finds the pair in the migration key %j, if it is one',
    (key) => {
      const text = sampleWith({}, { migrations: { [key]: ['m'] } });
      // The pattern takes the inner bracket for part of a version.
      if (key.startsWith('((')) expect(codeOf(text)).toBe('bottlerocket/version');
      else {
        expect(parseManifest(text).migrations).toEqual([
          { from: '1.0.0', to: '1.1.0', names: ['m'] },
        ]);
      }
    },
  );

  it.each([
    { case: 'begins with v', text: sampleWith({ version: 'v1.1.0' }) },
    { case: 'has two numbers', text: sampleWith({ max_version: '1.1' }) },
    { case: 'is half a migration', text: sampleWith({}, { migrations: { '(1.0.0, 1.1)': [] } }) },
    {
      case: 'is half a migration, with v',
      text: sampleWith({}, { migrations: { '(v1.0.0, 1.1.0)': [] } }),
    },
  ])('refuses a version that $case', ({ text }) => {
    expect(codeOf(text)).toBe('bottlerocket/version');
  });

  it.each(['', '1.0.0, 1.1.0', '(1.0.0 1.1.0)', '__proto__'])(
    'refuses the migration key %j',
    (key) => {
      const text = SAMPLE.replace('"(1.10.0, 1.11.0)"', JSON.stringify(key));
      expect(codeOf(text)).toBe('bottlerocket/migration-key');
    },
  );

  it('refuses a pair that stands twice, written in two ways', () => {
    const migrations = { '(1.0.0, 1.1.0)': [], '(1.0.0,1.1.0)': [] };
    expect(codeOf(sampleWith({}, { migrations }))).toBe('bottlerocket/duplicate-migration');
  });

  it('takes waves that go back in time, and times of any offset, as the real updog did', () => {
    const waves = { 20: '2000-01-01T02:00:00+02:00', 0: '2000-01-01T00:00:01Z' };
    expect(parseManifest(sampleWith({ waves })).updates[0]?.waves).toEqual([
      [0, START + 1_000_000_000n],
      [20, START],
    ]);
  });

  it.each(['[', '{"a":'])('keeps its stack when %j is repeated without end', (opening) => {
    const closing = opening === '[' ? ']' : '}';
    const nested = (levels: number) => `${opening.repeat(levels)}1${closing.repeat(levels)}`;
    const withUnknown = (text: string) => SAMPLE.replace('{', `{"x": ${text},`);
    expect(codeOf(withUnknown(nested(127)))).toBe('no error');
    expect(codeOf(withUnknown(nested(128)))).toBe('bottlerocket/manifest');
    expect(codeOf(withUnknown(nested(1_000_000)))).toBe('bottlerocket/manifest');
    expect(codeOf(opening.repeat(1_000_000))).toBe('bottlerocket/manifest');
  });
});

describe('formatManifest', () => {
  it('writes byte for byte what was read', () => {
    expect(formatManifest(parseManifest(SAMPLE))).toBe(SAMPLE);
  });

  it('writes an empty manifest on as few lines as serde does', () => {
    expect(formatManifest({ updates: [], migrations: [] })).toBe(
      '{\n  "updates": [],\n  "migrations": {}\n}',
    );
  });

  it('orders bounds by number up to the highest, whatever their order', () => {
    const waves = wavesAt({ 4294967294: 1, 1000: 2, 20: 3 });
    const text = formatManifest({
      updates: [updateOf('1.1.0', { waves: [...waves, [4_294_967_295, START]] })],
      migrations: [],
    });
    expect(Object.keys(JSON.parse(text).updates[0].waves)).toEqual([
      '20',
      '1000',
      '4294967294',
      '4294967295',
    ]);
  });

  it('comes back as it went in', () => {
    const bounds = fc.uniqueArray(fc.nat(4_294_967_295), { maxLength: 8 });
    const instants = fc.bigInt({ min: -(10n ** 19n), max: 10n ** 20n });
    const waves = fc
      .tuple(bounds, fc.array(instants, { minLength: 8, maxLength: 8 }))
      .map(([keys, times]) =>
        keys.toSorted((a, b) => a - b).map((key, index) => [key, times[index] ?? 0n] as const),
      );
    const updates = fc.array(
      fc
        .tuple(fc.string({ unit: 'grapheme' }), waves)
        .map(([variant, openings]) => updateOf('1.1.0', { variant, waves: openings })),
      { maxLength: 4 },
    );
    fc.assert(
      fc.property(updates, (listed) => {
        const manifest = { updates: listed, migrations: [] };
        expect(parseManifest(formatManifest(manifest))).toEqual(manifest);
      }),
      { seed: 6, numRuns: 200 },
    );
  });
});
