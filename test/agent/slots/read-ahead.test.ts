import { describe, expect, it } from '@jest/globals';
import { readAhead } from '../../../agent/slots/read-ahead.ts';

const MIB = 1024 * 1024;

/** An image of that size, and every reading of it. */
function setup(size: number) {
  const bytes = Buffer.alloc(size, 'some bytes that tell their place');
  const readings: (readonly [number, number])[] = [];
  const readAt = readAhead(size, async function* (offset, length) {
    readings.push([offset, length]);
    for (let at = offset; at < offset + length; at += 65_536) {
      yield bytes.subarray(at, Math.min(at + 65_536, offset + length));
    }
  });
  return { bytes, readings, readAt };
}

describe('readAhead', () => {
  it('reads what lies together only once', async () => {
    const { bytes, readings, readAt } = setup(3 * MIB);
    for (let at = 4096; at < 4096 + MIB; at += 65_536) {
      expect(bytes.subarray(at, at + 65_536).equals(await readAt(at, 65_536))).toBe(true);
    }
    expect(readings).toEqual([[4096, MIB]]);
  });

  it('goes on at several places of an image in turn', async () => {
    const { bytes, readings, readAt } = setup(9 * MIB);
    for (let step = 0; step < 10; step += 1) {
      for (const start of [0, 3 * MIB, 6 * MIB]) {
        const at = start + step * 4096;
        expect(bytes.subarray(at, at + 4096).equals(await readAt(at, 4096))).toBe(true);
      }
    }
    expect(readings).toHaveLength(3);
  });

  it('reads a part that reaches out of what it knows anew, and one that is longer than usual whole', async () => {
    const { bytes, readings, readAt } = setup(5 * MIB);
    await readAt(0, 10);
    expect(bytes.subarray(MIB - 5, MIB + 5).equals(await readAt(MIB - 5, 10))).toBe(true);
    expect(bytes.subarray(10, 4 * MIB + 10).equals(await readAt(10, 4 * MIB))).toBe(true);
    expect(readings).toEqual([
      [0, MIB],
      [MIB - 5, MIB],
      [10, 4 * MIB],
    ]);
  });

  it('gives fewer bytes at the end, and none behind it', async () => {
    const { bytes, readings, readAt } = setup(1000);
    expect(bytes.subarray(990).equals(await readAt(990, 4096))).toBe(true);
    expect(await readAt(1000, 1)).toHaveLength(0);
    expect(await readAt(5000, 1)).toHaveLength(0);
    expect(readings).toEqual([[990, 10]]);
  });
});
