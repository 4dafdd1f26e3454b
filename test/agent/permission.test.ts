import { describe, expect, it } from '@jest/globals';
import { requirePermission } from '../../agent/permission.ts';
import type { Release } from '../../core/release.ts';

function release(version: string, change: Partial<Release> = {}): Release {
  return {
    ...{ schema: 'tidegate.release/1', variant: 'aws-k8s-1.32', arch: 'x86_64', version },
    ...{ images: {}, verity: null, minimumFrom: null, rollbackTo: [], migrations: [] },
    ...{ notes: null, createdAt: '2026-01-01T00:00:00Z' },
    ...change,
  };
}

type Case = {
  readonly case: string;
  readonly running: Release;
  readonly next: Release;
  readonly direction: 'forward' | 'rollback';
};

describe('requirePermission', () => {
  it.each<Case>([
    {
      case: 'a newer release',
      running: release('1.0.0'),
      next: release('1.1.0'),
      direction: 'forward',
    },
    {
      case: 'a newer release that takes this one',
      running: release('1.1.0'),
      next: release('2.0.0', { minimumFrom: '1.1.0' }),
      direction: 'forward',
    },
    {
      case: 'an older release that the running one names',
      running: release('1.1.0', { rollbackTo: ['1.0.0'] }),
      next: release('1.0.0'),
      direction: 'rollback',
    },
  ])('permits $case', ({ running, next, direction }) => {
    expect(() => {
      requirePermission(running, next, direction);
    }).not.toThrow();
  });

  it.each<Case>([
    {
      case: 'the same release',
      running: release('1.0.0'),
      next: release('1.0.0'),
      direction: 'forward',
    },
    {
      case: 'going back to itself',
      running: release('1.0.0'),
      next: release('1.0.0'),
      direction: 'rollback',
    },
    {
      case: 'an older release that only calls itself allowed',
      running: release('1.1.0'),
      next: release('1.0.0', { rollbackTo: ['1.1.0'] }),
      direction: 'rollback',
    },
    {
      case: 'another older release than the named one',
      running: release('1.2.0', { rollbackTo: ['1.1.0'] }),
      next: release('1.0.0'),
      direction: 'rollback',
    },
    {
      case: 'going back under the name of forward',
      running: release('1.1.0', { rollbackTo: ['1.0.0'] }),
      next: release('1.0.0'),
      direction: 'forward',
    },
    {
      case: 'going forward under the name of rollback',
      running: release('1.0.0'),
      next: release('1.1.0'),
      direction: 'rollback',
    },
    {
      case: 'jumping over a barrier',
      running: release('1.0.0'),
      next: release('2.0.0', { minimumFrom: '1.1.0' }),
      direction: 'forward',
    },
    {
      case: 'another variant',
      running: release('1.0.0'),
      next: release('1.1.0', { variant: 'metal-dev' }),
      direction: 'forward',
    },
    {
      case: 'another arch',
      running: release('1.0.0'),
      next: release('1.1.0', { arch: 'aarch64' }),
      direction: 'forward',
    },
    {
      case: 'a pre-release of what runs',
      running: release('1.1.0'),
      next: release('1.1.0-rc.1'),
      direction: 'forward',
    },
  ])('refuses $case', ({ running, next, direction }) => {
    expect(() => {
      requirePermission(running, next, direction);
    }).toThrow(expect.objectContaining({ code: 'agent/not-permitted' }));
  });
});
