import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Update } from '../../../core/bottlerocket/manifest.ts';
import {
  applicableUpdates,
  firstUpdateAt,
  updateRequired,
} from '../../../core/bottlerocket/update-required.ts';
import type { UpdogHost } from '../../../core/bottlerocket/update-required.ts';
import { codeOf, hostOn, MS, START, updateOf, wavesAt } from './updog-samples.ts';

function taken(updates: readonly Update[], host: UpdogHost): string | null {
  return updateRequired({ updates }, host)?.version ?? null;
}

const after = (ms: number) => START + BigInt(ms) * MS;

describe('applicableUpdates', () => {
  it('lists the newest first, of the own variant and arch, not above its max_version', () => {
    const updates = [
      updateOf('1.13.0'),
      updateOf('1.25.0', { maxVersion: '1.20.0' }),
      updateOf('1.15.0'),
      updateOf('1.16.0', { arch: 'aarch64' }),
      updateOf('1.17.0', { variant: 'aws-ecs-1' }),
    ];
    const found = applicableUpdates({ updates }, hostOn('1.10.0'));
    expect(found.map(({ version }) => version)).toEqual(['1.15.0', '1.13.0']);
  });

  it('lists what is not newer too', () => {
    expect(applicableUpdates({ updates: [updateOf('1.0.0')] }, hostOn('2.0.0'))).toHaveLength(1);
  });

  it('goes by the wave of the seed: 0 is ready, 2000 is not', () => {
    const updates = [updateOf('1.1.0', { waves: wavesAt({ 0: 1000, 512: 2000, 1024: 3000 }) })];
    expect(taken(updates, hostOn('1.0.0', { seed: 0 }))).toBe('1.1.0');
    expect(taken(updates, hostOn('1.0.0', { seed: 2000 }))).toBeNull();
    expect(taken(updates, hostOn('1.0.0', { seed: 2000, ignoreWaves: true }))).toBe('1.1.0');
  });

  it('panics on a seed above 2048 only if an update of this host has waves to look at', () => {
    const waves = wavesAt({ 0: 0 });
    const host = hostOn('1.0.0', { seed: 2049 });
    expect(codeOf(() => taken([updateOf('1.1.0', { waves })], host))).toBe(
      'bottlerocket/seed-panic',
    );
    expect(taken([updateOf('1.1.0')], host)).toBe('1.1.0');
    expect(taken([updateOf('1.1.0', { waves })], { ...host, ignoreWaves: true })).toBe('1.1.0');
    expect(taken([updateOf('1.1.0', { waves, arch: 'aarch64' })], host)).toBeNull();
    expect(taken([updateOf('1.1.0', { waves, maxVersion: '1.0.0' })], host)).toBeNull();
  });
});

describe('updateRequired', () => {
  it('has nothing where the only entry lies above its max_version', () => {
    const regretted = [updateOf('1.25.0', { maxVersion: '1.20.0' })];
    expect(taken(regretted, hostOn('1.18.0'))).toBeNull();
    expect(taken(regretted, hostOn('1.18.0', { forceVersion: '1.25.0' }))).toBeNull();
  });

  it('goes back to an older version that is still allowed', () => {
    const updates = [updateOf('0.1.2')];
    expect(taken(updates, hostOn('0.1.3'))).toBe('0.1.2');
  });

  it('takes the newest of several', () => {
    const updates = [updateOf('1.13.0'), updateOf('1.15.0'), updateOf('1.14.0')];
    expect(taken(updates, hostOn('1.10.0'))).toBe('1.15.0');
    expect(taken(updates, hostOn('1.15.0', { variant: 'other' }))).toBeNull();
  });

  it('takes a forced version, whatever the lock says, but only one that is ready', () => {
    const updates = [updateOf('1.13.0'), updateOf('1.15.0', { waves: wavesAt({ 0: 1000 }) })];
    const host = hostOn('1.10.0', { versionLock: 'not a version' });
    expect(taken(updates, { ...host, forceVersion: '1.13.0' })).toBe('1.13.0');
    expect(taken(updates, { ...host, forceVersion: '1.15.0' })).toBeNull();
    expect(taken(updates, { ...host, forceVersion: '1.14.0' })).toBeNull();
  });

  it('does nothing between the newest entry and its max_version', () => {
    const updates = [updateOf('1.26.0', { maxVersion: '1.27.0' })];
    expect(taken(updates, hostOn('1.26.0'))).toBeNull();
    expect(taken(updates, hostOn('1.26.5'))).toBeNull();
    expect(taken(updates, hostOn('1.27.0'))).toBeNull();
    expect(taken(updates, hostOn('1.25.0'))).toBe('1.26.0');
  });

  it('falls back to an older ready update while the newest has not opened', () => {
    const updates = [
      updateOf('1.2.0', { waves: wavesAt({ 0: 1000 }) }),
      updateOf('1.1.0', { maxVersion: '1.2.0' }),
    ];
    expect(taken(updates, hostOn('1.0.0'))).toBe('1.1.0');
    expect(taken(updates, hostOn('1.0.0', { now: after(1000) }))).toBe('1.2.0');
    expect(taken(updates, hostOn('1.1.0'))).toBeNull();
  });

  it('sends hosts back in their own order when max_version is lowered on staggered waves', () => {
    const waves = wavesAt({ 0: 0, 512: 1000, 1024: 2000 });
    const updates = [updateOf('1.1.0', { waves })];
    const host = (seed: number, ms: number) => hostOn('1.2.0', { seed, now: after(ms) });
    expect(taken(updates, host(0, -1))).toBe('1.1.0');
    expect(taken(updates, host(256, 499))).toBeNull();
    expect(taken(updates, host(256, 500))).toBe('1.1.0');
    expect(taken(updates, host(2047, 1999))).toBeNull();
    expect(taken(updates, host(2047, 2000))).toBe('1.1.0');
  });

  it('counts build metadata as newer', () => {
    const updates = [updateOf('1.0.0+b'), updateOf('1.0.0+a', { maxVersion: '1.0.0+b' })];
    expect(taken(updates, hostOn('1.0.0'))).toBe('1.0.0+b');
    expect(taken(updates, hostOn('1.0.0+a'))).toBe('1.0.0+b');
    expect(taken(updates, hostOn('1.0.0+b'))).toBeNull();
    expect(taken(updates, hostOn('1.0.0+c'))).toBe('1.0.0+b');
  });

  it.each([
    { versionLock: '1.26.0', running: '1.25.0', version: '1.26.0' },
    { versionLock: 'v1.27.0', running: '1.25.0', version: '1.27.0' },
    { versionLock: '1.26.0', running: '1.27.0', version: '1.26.0' },
    { versionLock: 'v1.26.0', running: '1.26.0', version: null },
    { versionLock: 'v0.0.0', running: '1.25.0', version: null },
    { versionLock: '1.27.0+x', running: '1.25.0', version: null },
  ])('locked to $versionLock on $running takes $version', ({ versionLock, running, version }) => {
    const updates = [updateOf('1.26.0', { maxVersion: '1.27.0' }), updateOf('1.27.0')];
    expect(taken(updates, hostOn(running, { versionLock }))).toBe(version);
  });

  it('does not let a lock pass by the waves', () => {
    const updates = [updateOf('1.1.0', { waves: wavesAt({ 0: 1000 }) })];
    expect(taken(updates, hostOn('1.0.0', { versionLock: '1.1.0' }))).toBeNull();
  });

  it.each(['1.0', 'v', 'vv1.1.0', 'V1.0.0', 'Latest', '', '1.0.3-beta.1.01'])(
    'refuses the version lock %j',
    (versionLock) => {
      expect(codeOf(() => taken([], hostOn('1.0.0', { versionLock })))).toBe(
        'bottlerocket/version-lock',
      );
    },
  );
});

describe('updateRequired on a paused and a rolled back release', () => {
  const paused = [updateOf('1.26.0', { maxVersion: '1.27.0' })];
  const rolledBack = [updateOf('1.26.0')];
  const released = [...paused, updateOf('1.27.0')];

  it.each([
    { case: 'released, on 1.26.0', updates: released, running: '1.26.0', version: '1.27.0' },
    { case: 'paused, on 1.26.0', updates: paused, running: '1.26.0', version: null },
    { case: 'paused, on 1.27.0', updates: paused, running: '1.27.0', version: null },
    { case: 'rolled back, on 1.27.0', updates: rolledBack, running: '1.27.0', version: '1.26.0' },
    { case: 'rolled back, on 1.26.0', updates: rolledBack, running: '1.26.0', version: null },
  ])('does what the real updog did: $case', ({ updates, running, version }) => {
    expect(taken(updates, hostOn(running))).toBe(version);
  });
});

describe('firstUpdateAt', () => {
  const staggered = [
    updateOf('1.2.0', { waves: wavesAt({ 0: 5000 }) }),
    updateOf('1.1.0', { maxVersion: '1.2.0', waves: wavesAt({ 0: 2000 }) }),
  ];

  it('says when the first update comes', () => {
    expect(firstUpdateAt({ updates: staggered }, hostOn('1.0.0'))).toBe(after(2000));
  });

  it('passes over openings that do not concern the host', () => {
    expect(firstUpdateAt({ updates: staggered }, hostOn('1.1.0'))).toBe(after(5000));
    const locked = hostOn('1.0.0', { versionLock: '1.2.0' });
    expect(firstUpdateAt({ updates: staggered }, locked)).toBe(after(5000));
  });

  it.each([
    { case: 'nothing is coming', host: hostOn('1.2.0') },
    { case: 'waves are ignored', host: hostOn('1.0.0', { ignoreWaves: true }) },
    { case: 'the seed never waits', host: hostOn('1.0.0', { seed: 0 }) },
  ])('has no instant where $case', ({ host }) => {
    expect(firstUpdateAt({ updates: staggered }, host)).toBeNull();
  });

  it('is right about the future: nothing before the instant, an update at it', () => {
    const version = fc.constantFrom('1.0.0', '1.1.0', '1.2.0', '1.3.0');
    const openings = fc.array(fc.nat(5000), { minLength: 3, maxLength: 3 });
    const updates = fc.array(
      fc
        .tuple(version, version, openings)
        .map(([own, maxVersion, [first = 0, second = 0, third = 0]]) =>
          updateOf(own, { maxVersion, waves: wavesAt({ 0: first, 700: second, 1400: third }) }),
        ),
      { maxLength: 4 },
    );
    fc.assert(
      fc.property(updates, version, fc.nat(2048), fc.nat(6000), (listed, running, seed, ms) => {
        const host = hostOn(running, { seed });
        if (taken(listed, host) !== null) return;
        const now = after(ms);
        const opensAt = firstUpdateAt({ updates: listed }, host);
        if (opensAt === null || now < opensAt) {
          expect(taken(listed, { ...host, now })).toBeNull();
        }
        if (opensAt !== null) {
          expect(taken(listed, { ...host, now: opensAt - 1n })).toBeNull();
          expect(taken(listed, { ...host, now: opensAt })).not.toBeNull();
        }
      }),
      { seed: 5, numRuns: 500 },
    );
  });
});
