import { describe, expect, it } from '@jest/globals';
import type { Migration } from '../../../core/bottlerocket/manifest.ts';
import { findMigrations } from '../../../core/bottlerocket/migrations.ts';
import { codeOf } from './updog-samples.ts';

function chain(
  ...steps: readonly (readonly [string, string, ...string[]])[]
): readonly Migration[] {
  return steps.map(([from, to, ...names]) => ({ from, to, names }));
}

const WITH_SHORTCUT = chain(
  ['1.0.0', '1.1.0', 'first', 'second'],
  ['1.1.0', '1.2.0', 'slow'],
  ['1.1.0', '1.5.0', 'shortcut'],
  ['1.2.0', '1.5.0', 'slower'],
  ['1.5.0', '1.6.0'],
);

describe('findMigrations', () => {
  it('goes forward by the longest steps', () => {
    expect(findMigrations(WITH_SHORTCUT, '1.0.0', '1.5.0')).toEqual([
      'first',
      'second',
      'shortcut',
    ]);
  });

  it('goes back by the same, reversed', () => {
    expect(findMigrations(WITH_SHORTCUT, '1.5.0', '1.0.0')).toEqual([
      'shortcut',
      'second',
      'first',
    ]);
  });

  it('never steps past its target', () => {
    expect(findMigrations(WITH_SHORTCUT, '1.0.0', '1.2.0')).toEqual(['first', 'second', 'slow']);
  });

  it('needs nothing to stay, and an empty list is enough for a step', () => {
    expect(findMigrations([], '1.0.0', '1.0.0')).toEqual([]);
    expect(findMigrations(WITH_SHORTCUT, '1.5.0', '1.6.0')).toEqual([]);
  });

  it('fails on a missing step, and in a dead end even if another way exists', () => {
    const deadEnd = chain(['1.0.0', '1.1.0'], ['1.0.0', '1.2.0'], ['1.1.0', '1.3.0']);
    expect(codeOf(() => findMigrations(deadEnd, '1.0.0', '1.3.0'))).toBe(
      'bottlerocket/missing-migration',
    );
    expect(codeOf(() => findMigrations([], '1.0.0', '1.1.0'))).toBe(
      'bottlerocket/missing-migration',
    );
  });

  it.each([
    { case: 'a step to itself', migrations: chain(['1.0.0', '1.0.0', 'again']) },
    { case: 'a circle', migrations: chain(['1.0.0', '1.1.0'], ['1.1.0', '1.0.0']) },
  ])('ends on $case, where updog would not', ({ migrations }) => {
    expect(codeOf(() => findMigrations(migrations, '1.0.0', '2.0.0'))).toBe(
      'bottlerocket/endless-migrations',
    );
  });
});
