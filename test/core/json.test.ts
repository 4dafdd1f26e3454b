import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseTree } from 'jsonc-parser';
import type { Node } from 'jsonc-parser';
import { JsonError, parseJson } from '../../core/json.ts';

function codeOf(text: string): string {
  try {
    parseJson(text);
  } catch (error) {
    if (error instanceof JsonError) return error.code;
    throw error;
  }
  return 'no error';
}

/** By the parser of jsonc-parser, which keeps every member. */
function hasRepeatedKey(text: string): boolean {
  const repeats = (node: Node): boolean => {
    const { children = [] } = node;
    const keys = children.map((child) => String(child.children?.[0]?.value));
    const isRepeated = node.type === 'object' && new Set(keys).size < keys.length;
    return isRepeated || children.some(repeats);
  };
  const tree = parseTree(text);
  return tree !== undefined && repeats(tree);
}

describe('parseJson', () => {
  it('gives what JSON.parse gives', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), fc.constantFrom(0, 2), (text, indent) => {
        const value: unknown = JSON.parse(text);
        expect(parseJson(JSON.stringify(value, null, indent))).toEqual(value);
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  it('refuses exactly what JSON.parse refuses, in any damaged text', () => {
    const sound = '{"a":[1,-2.5e3,true,null],"b":{"c":"\\u00e9\\n"}}';
    const edits = fc.tuple(
      fc.nat(sound.length),
      fc.nat(2),
      fc.constantFrom('', '"', ',', '}', '/', '0', '\\'),
    );
    fc.assert(
      fc.property(edits, ([at, removed, added]) => {
        const text = sound.slice(0, at) + added + sound.slice(at + removed);
        let isJson = true;
        try {
          JSON.parse(text);
        } catch {
          isJson = false;
        }
        expect([text, codeOf(text)]).toEqual([text, isJson ? 'no error' : 'json/syntax']);
      }),
      { seed: 2, numRuns: 1000 },
    );
  });

  it('finds a key that stands twice, however it is spelled and wherever it stands', () => {
    const key = fc.constantFrom('a', '\\u0061', 'b', '\\"', ':', '__proto__', '');
    const scalar = fc.constantFrom('1', '":"', '"{\\"a\\":1}"', 'null', '[]', '{}');
    const { object } = fc.letrec<{ object: string; value: string }>((tie) => ({
      object: fc
        .array(fc.tuple(key, tie('value')), { maxLength: 3 })
        .map((members) => `{${members.map(([name, value]) => `"${name}": ${value}`).join(',')}}`),
      value: fc.oneof({ maxDepth: 3 }, scalar, tie('object'), fc.tuple(tie('object')).map(String)),
    }));
    fc.assert(
      fc.property(object, (text) => {
        expect([text, codeOf(text)]).toEqual([
          text,
          hasRepeatedKey(text) ? 'json/duplicate-key' : 'no error',
        ]);
      }),
      { seed: 3, numRuns: 2000 },
    );
  });

  it.each([
    '',
    '{',
    '{"a":1,}',
    '[1,]',
    '{} {}',
    '// c\n1',
    '/* c */ 1',
    "{'a':1}",
    '[01]',
    'NaN',
    '"\u0001"',
    '"\\x"',
    '\ufeff{}',
  ])('refuses %j, which is not JSON', (text) => {
    expect(codeOf(text)).toBe('json/syntax');
  });

  it('says where the syntax breaks', () => {
    expect(() => parseJson('{\n  "a": 1\n  "b": 2\n}')).toThrow('line 3, column 3');
  });

  it.each([
    { case: 'side by side', text: '{"a":1,"a":1}' },
    { case: 'one of them escaped', text: '{"a":1,"\\u0061":2}' },
    { case: 'deep inside', text: '[{"b":{"a":1,"c":[],"a":2}}]' },
    { case: 'named __proto__', text: '{"__proto__":1,"__proto__":2}' },
    { case: 'around a nested object', text: '{"a":{"a":1},"a":2}' },
  ])('refuses a key that stands twice, $case', ({ text }) => {
    expect(codeOf(text)).toBe('json/duplicate-key');
  });

  it('names the key and its place', () => {
    expect(() => parseJson('{"a":1,\n "a":2}')).toThrow('line 2, column 2: key "a"');
  });

  it('takes the same key in different objects', () => {
    expect(parseJson('{"a":{"a":[{"a":1},{"a":2}]}}')).toEqual({ a: { a: [{ a: 1 }, { a: 2 }] } });
  });

  it('makes __proto__ a plain key', () => {
    const value = parseJson('{"__proto__":{"isAdmin":true}}');
    expect(Object.keys(Object(value))).toEqual(['__proto__']);
    expect(Object(value).isAdmin).toBeUndefined();
  });

  it('takes 64 levels and no more', () => {
    expect(codeOf('['.repeat(64) + ']'.repeat(64))).toBe('no error');
    expect(codeOf('['.repeat(65) + ']'.repeat(65))).toBe('json/too-deep');
  });

  it.each(['[', '{"a":', '[{"a":'])('keeps its stack when %j is repeated without end', (text) => {
    expect(codeOf(text.repeat(1_000_000))).toBe('json/too-deep');
  });

  it('takes linear time for very many keys, long keys and long strings', () => {
    const keys = Array.from({ length: 200_000 }, (_, index) => `"k${index}":0`).join();
    const long = 'x'.repeat(4_000_000);
    expect(codeOf(`{${keys}}`)).toBe('no error');
    expect(codeOf(`{"${long}":"${long}"}`)).toBe('no error');
    expect(codeOf(`{${keys},"k0":0}`)).toBe('json/duplicate-key');
  });
});
