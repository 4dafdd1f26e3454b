import type { Update, Waves } from '../../../core/bottlerocket/manifest.ts';
import { nanosecondsOf } from '../../../core/bottlerocket/nanoseconds.ts';
import type { Nanoseconds } from '../../../core/bottlerocket/nanoseconds.ts';
import type { UpdogHost } from '../../../core/bottlerocket/update-required.ts';

export const MS = 1_000_000n;
export const START = at('2000-01-01T00:00:00Z');

/** An instant that is written in the test, to the millisecond. */
export function at(text: string): Nanoseconds {
  return nanosecondsOf(new Date(text));
}

/** Waves that open so many milliseconds after START. */
export function wavesAt(openings: Readonly<Record<number, number>>): Waves {
  return Object.entries(openings).map(([bound, ms]) => [Number(bound), START + BigInt(ms) * MS]);
}

export function updateOf(version: string, change: Partial<Update> = {}): Update {
  return {
    variant: 'metal',
    arch: 'x86_64',
    version,
    maxVersion: version,
    waves: [],
    images: { boot: `${version}-boot`, root: `${version}-root`, hash: `${version}-hash` },
    ...change,
  };
}

export function hostOn(running: string, change: Partial<UpdogHost> = {}): UpdogHost {
  return {
    variant: 'metal',
    arch: 'x86_64',
    running,
    seed: 1000,
    versionLock: 'latest',
    ignoreWaves: false,
    now: START,
    ...change,
  };
}

/** The code that an action fails with, or `no error`. */
export function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    const hasCode = typeof error === 'object' && error !== null && 'code' in error;
    if (hasCode && typeof error.code === 'string') return error.code;
    throw error;
  }
  return 'no error';
}
