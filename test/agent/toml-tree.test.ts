import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parse, stringify } from 'smol-toml';
import { mergeToml, nodesAlong, parseToml, plainOf } from '../../agent/toml-tree.ts';

const TEXT = `a = 1
b.c = 'dotted'
[t]
x = { y = [1, 2], z = true }
[t.u]
v = 1.5
[[list]]
n = 1
[list.inner]
m = 1
[[list]]
n = 2
`;

describe('parseToml', () => {
  it('reads what another parser reads', () => {
    expect(plainOf(parseToml('f', TEXT))).toEqual(parse(TEXT));
  });

  it('reads back any tree of texts, numbers, lists and tables', () => {
    const scalar = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.integer(),
      fc.boolean(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
    );
    const key = fc.string().filter((name) => name !== '__proto__');
    const { tree } = fc.letrec<{ tree: unknown; node: unknown }>((tie) => ({
      node: fc.oneof({ maxDepth: 3 }, scalar, fc.array(scalar), tie('tree')),
      tree: fc.dictionary(key, tie('node'), { maxKeys: 4, noNullPrototype: true }),
    }));
    fc.assert(
      fc.property(tree, (value) => {
        const text = stringify(value);
        expect(plainOf(parseToml('f', text))).toEqual(parse(text));
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  it.each([
    { path: ['a'], line: 1 },
    { path: ['b', 'c'], line: 2 },
    { path: ['t'], line: 3 },
    { path: ['t', 'x', 'y', 1], line: 4 },
    { path: ['t', 'u'], line: 5 },
    { path: ['t', 'u', 'v'], line: 6 },
    { path: ['list', 0], line: 7 },
    { path: ['list', 0, 'inner', 'm'], line: 10 },
    { path: ['list', 1, 'n'], line: 12 },
  ])('knows that $path stands in line $line', ({ path, line }) => {
    const nodes = nodesAlong(parseToml('f', TEXT), path);
    expect(nodes).toHaveLength(path.length + 1);
    expect(nodes.at(-1)?.origin).toEqual({ file: 'f', line });
  });
});

describe('mergeToml', () => {
  it('keeps what only one says, and takes the rest from above', () => {
    const below = parseToml('below', 'a = 1\nb = [1, 2]\n[t]\nx = 1\ny = 1\n');
    const above = parseToml('above', 'b = [3]\n[t]\ny = 2\n');
    const merged = mergeToml(below, above);
    expect(plainOf(merged)).toEqual({ a: 1, b: [3], t: { x: 1, y: 2 } });
    expect(nodesAlong(merged, ['t', 'x']).at(-1)?.origin).toEqual({ file: 'below', line: 4 });
    expect(nodesAlong(merged, ['t', 'y']).at(-1)?.origin).toEqual({ file: 'above', line: 3 });
  });

  it('replaces a value by a table, and a table by a value', () => {
    const merged = mergeToml(
      parseToml('below', 'a = 1\nt.x = 1\n'),
      parseToml('above', 'a.y = 2\nt = 3\n'),
    );
    expect(plainOf(merged)).toEqual({ a: { y: 2 }, t: 3 });
  });
});
