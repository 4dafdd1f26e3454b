import { describe, expect, it } from '@jest/globals';
import { parseU32 } from '../../../core/bottlerocket/u32.ts';

describe('parseU32', () => {
  it.each([
    ['0', 0],
    ['007', 7],
    ['+5', 5],
    ['4294967295', 4_294_967_295],
    [`${'0'.repeat(500)}9`, 9],
  ])('reads %p', (text, value) => {
    expect(parseU32(text)).toBe(value);
  });

  it.each([
    '',
    '+',
    '-1',
    '-0',
    ' 1',
    '1 ',
    '1.0',
    '1e3',
    '0x1',
    '234ab32',
    '4294967296',
    '++1',
    '\u0661',
  ])('refuses %p', (text) => {
    expect(parseU32(text)).toBeNull();
  });

  it('refuses a number beyond any double', () => {
    expect(parseU32('9'.repeat(400))).toBeNull();
  });
});
