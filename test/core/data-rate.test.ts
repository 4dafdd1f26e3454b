import { describe, expect, it } from '@jest/globals';
import { parseDataRate } from '../../core/data-rate.ts';

describe('parseDataRate', () => {
  it.each([
    ['1024 B/s', 1024],
    ['1KiB/s', 1024],
    [' 10 MiB/s ', 10_485_760],
    ['2.5 MB/s', 2_500_000],
    ['1 GiB/s', 1_073_741_824],
    ['1.001 kB/s', null],
    ['1023 B/s', null],
    ['0 MiB/s', null],
    ['-1 MiB/s', null],
    ['10 MiB', null],
    ['10 Mbit/s', null],
    ['1e3 MB/s', null],
    ['constructor/s', null],
    ['', null],
  ])('of %p is %p', (text, expected) => {
    const read = () => parseDataRate(text);
    if (expected === null) {
      expect(read).toThrow(expect.objectContaining({ code: 'data-rate/invalid' }));
    } else {
      expect(read()).toBe(expected);
    }
  });
});
