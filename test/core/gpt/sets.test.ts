import { describe, expect, it } from '@jest/globals';
import { parseEntries } from '../../../core/gpt/entries.ts';
import { findSets, runningSide } from '../../../core/gpt/sets.ts';
import { sampleCopy, sampleGuid, slotPartitions } from '../../support/gpt-samples.ts';
import type { SamplePartition } from '../../support/gpt-samples.ts';

const ALL = slotPartitions();

function setsOf(partitions: readonly SamplePartition[]) {
  const { header, entries } = sampleCopy(partitions);
  return findSets(parseEntries(header, entries));
}

function numbersOf(partitions: readonly SamplePartition[]) {
  const { a, b } = setsOf(partitions);
  return [a, b].map(({ boot, root, hash }) => [boot.index, root.index, hash.index]);
}

describe('findSets', () => {
  it('finds boot, root and hash of A before those of B, and the private partition', () => {
    expect(numbersOf(ALL)).toEqual([
      [0, 1, 2],
      [3, 4, 5],
    ]);
    expect(setsOf(ALL).private?.index).toBe(6);
    expect(setsOf(ALL.slice(0, 6)).private).toBeNull();
  });

  it('pairs them by their order, however they are mixed with others', () => {
    const other = {
      typeGuid: sampleGuid(50),
      uniqueGuid: sampleGuid(51),
      byteCount: 512,
      name: '',
    };
    const order = [2, 0, 3, 1, 5, 4];
    const mixed = order.flatMap((index) => ALL.slice(index, index + 1));
    expect(numbersOf([...mixed.slice(0, 2), other, ...mixed.slice(2)])).toEqual([
      [1, 4, 0],
      [3, 6, 5],
    ]);
  });

  it.each([
    { case: 'no partitions', partitions: [] },
    { case: 'one set alone', partitions: ALL.slice(0, 3) },
    { case: 'a set without its hash', partitions: ALL.slice(0, 5) },
    {
      case: 'three boot partitions',
      partitions: [...ALL, ...ALL.slice(0, 1).map((p) => ({ ...p, uniqueGuid: sampleGuid(8) }))],
    },
    {
      case: 'two private partitions',
      partitions: [...ALL, ...ALL.slice(6).map((p) => ({ ...p, uniqueGuid: sampleGuid(8) }))],
    },
  ])('refuses $case', ({ partitions }) => {
    expect(() => setsOf(partitions)).toThrow(expect.objectContaining({ code: 'gpt/sets' }));
  });
});

describe('runningSide', () => {
  const bootA = sampleGuid(1);
  const rootB = sampleGuid(5);
  it.each([
    { case: 'root by PARTUUID', line: `quiet root=PARTUUID=${rootB} ro`, side: 'b' },
    { case: 'in capitals', line: `root=PARTUUID=${rootB.toUpperCase()}`, side: 'b' },
    {
      case: 'root by its distance from boot',
      line: `root=PARTUUID=${bootA}/PARTNROFF=1`,
      side: 'a',
    },
    {
      case: 'dm-verity',
      line: `root=/dev/dm-0 dm-mod.create="root,,,ro,0 8 verity 1 PARTUUID=${bootA}/PARTNROFF=1 PARTUUID=${bootA}/PARTNROFF=2 4096"`,
      side: 'a',
    },
    { case: 'another disk', line: `root=PARTUUID=${sampleGuid(77)}`, side: null },
    { case: 'no PARTUUID', line: 'root=/dev/sda2', side: null },
    { case: 'another parameter', line: `resume=PARTUUID=${bootA} root=/dev/sda2`, side: null },
    {
      case: 'another parameter in quotes',
      line: `note="x root=PARTUUID=${bootA}" root=PARTUUID=${rootB}`,
      side: 'b',
    },
    { case: 'an empty line', line: '', side: null },
  ])('tells from $case', ({ line, side }) => {
    expect(runningSide(setsOf(ALL), `${line}\n`)).toBe(side);
  });

  it('refuses a line that names both', () => {
    const line = `root=PARTUUID=${rootB} dm-mod.create="root,,,ro,0 8 verity 1 PARTUUID=${bootA}"`;
    expect(() => runningSide(setsOf(ALL), line)).toThrow(
      expect.objectContaining({ code: 'gpt/sets' }),
    );
  });
});
