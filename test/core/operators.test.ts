import { describe, expect, it } from '@jest/globals';
import {
  firstOperator,
  formatOperator,
  operatorWith,
  parseOperators,
  RIGHTS,
  tokenDigest,
} from '../../core/operators.ts';

const TOKEN = 'a'.repeat(43);
const DIGEST = tokenDigest(TOKEN);

describe('parseOperators', () => {
  it('reads names, digests of tokens and rights; without rights all of them', () => {
    const text = `[alice]\ntoken-sha256 = '${DIGEST}'\nrights = ['read', 'pause']
['ci@example.org']\ntoken-sha256 = '${tokenDigest('b')}'\n`;
    expect(parseOperators(text)).toEqual([
      { name: 'alice', tokenSha256: DIGEST, rights: ['read', 'pause'] },
      { name: 'ci@example.org', tokenSha256: tokenDigest('b'), rights: [...RIGHTS] },
    ]);
    expect(parseOperators('')).toEqual([]);
  });

  it.each([
    { fault: 'no TOML', text: '[alice', says: 'operators' },
    { fault: 'a token itself', text: `[a]\ntoken-sha256 = '${TOKEN}'`, says: 'SHA-256 in hex' },
    { fault: 'no token', text: `[a]\nrights = ['read']`, says: 'token-sha256' },
    { fault: 'another key', text: `[a]\ntoken-sha256 = '${DIGEST}'\ntoken = 'x'`, says: 'token' },
    {
      fault: 'a right that is none',
      text: `[a]\ntoken-sha256 = '${DIGEST}'\nrights = ['all']`,
      says: 'rights',
    },
    { fault: 'no right', text: `[a]\ntoken-sha256 = '${DIGEST}'\nrights = []`, says: 'rights' },
    { fault: 'a name with a space', text: `['a b']\ntoken-sha256 = '${DIGEST}'`, says: 'a b' },
    {
      fault: 'the name of the first',
      text: `[operator]\ntoken-sha256 = '${DIGEST}'`,
      says: 'else',
    },
    { fault: 'the name of the server', text: `[server]\ntoken-sha256 = '${DIGEST}'`, says: 'else' },
    {
      fault: 'one token for two',
      text: `[a]\ntoken-sha256 = '${DIGEST}'\n[b]\ntoken-sha256 = '${DIGEST}'`,
      says: 'a and b have the same token',
    },
  ])('refuses $fault', ({ text, says }) => {
    const read = () => parseOperators(text);
    expect(read).toThrow(expect.objectContaining({ code: 'operators/invalid' }));
    expect(read).toThrow(says);
  });

  it('reads what formatOperator writes, whatever stands in it', () => {
    const operator = { name: 'ci@example.org', tokenSha256: DIGEST, rights: ['publish', 'start'] };
    expect(parseOperators(formatOperator(operator))).toEqual([operator]);
    const hostile = formatOperator({ ...operator, name: "x']\n[y" });
    expect(() => parseOperators(hostile)).toThrow('must be a name');
  });
});

describe('operatorWith', () => {
  const known = [
    firstOperator(TOKEN),
    { name: 'b', tokenSha256: tokenDigest('b'), rights: RIGHTS },
  ];

  it('knows everybody by their token', () => {
    expect(operatorWith(TOKEN, known)?.name).toBe('operator');
    expect(operatorWith('b', known)?.name).toBe('b');
  });

  it.each(['', 'a', 'B', 'b'.repeat(43), 'a'.repeat(44), DIGEST])(
    'is not fooled by %j',
    (guess) => {
      expect(operatorWith(guess, known)).toBeNull();
    },
  );
});
