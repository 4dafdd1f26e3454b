import { describe, expect, it } from '@jest/globals';
import { RecentFailures } from '../../core/recent-failures.ts';

describe('RecentFailures', () => {
  it('tells a failure until the same thing works, whatever else works', () => {
    const failures = new RecentFailures<string>();
    expect(failures.last(0)).toBeNull();
    failures.failed('reports', 'disk full', 1000);
    failures.worked('hosts');
    expect(failures.last(5000)).toBe('disk full');
    failures.worked('reports');
    expect(failures.last(5000)).toBeNull();
  });

  it('tells the last of several', () => {
    const failures = new RecentFailures<string>();
    failures.failed('reports', 'first', 1000);
    failures.failed('verbs', 'second', 2000);
    failures.failed('reports', 'third', 3000);
    expect(failures.last(3000)).toBe('third');
    failures.worked('reports');
    expect(failures.last(3000)).toBe('second');
  });

  it('stops telling what nobody tried again for 20 seconds', () => {
    const failures = new RecentFailures<string>();
    failures.failed('verbs', 'disk full', 1000);
    expect(failures.last(20_999)).toBe('disk full');
    expect(failures.last(21_000)).toBeNull();
  });
});
