import { describe, expect, it } from '@jest/globals';
import { openState } from '../../adapters/state/open.ts';
import { StateError } from '../../adapters/state/state.ts';
import type { HostSeen } from '../../adapters/state/state.ts';
import { WriteBehind } from '../../server/write-behind.ts';

const SEEN_AT = new Date('2026-03-01T12:00:00Z');
const PLATFORM = { variant: 'aws-k8s-1.32', arch: 'x86_64' };

function host(id: string, change: Partial<HostSeen> = {}): HostSeen {
  const version = '1.0.0';
  const rest = { seed: 1, group: null, labels: {}, state: 'idle', seenAt: SEEN_AT };
  return { id, ...PLATFORM, version, ...rest, ...change };
}

async function setup() {
  const state = await openState('sqlite::memory:', { cwd: '/nowhere' });
  const seen = { dropped: 0, woken: 0, isAway: false };
  const away = () => Promise.reject(new StateError('state/unavailable', 'away'));
  const writeBehind = new WriteBehind({
    state: {
      touchHosts: (batch) => (seen.isAway ? away() : state.touchHosts(batch)),
      recordOffers: (batch) => (seen.isAway ? away() : state.recordOffers(batch)),
    },
    wake: () => {
      seen.woken += 1;
    },
    onDropped: (count) => {
      seen.dropped += count;
    },
  });
  return { state, seen, writeBehind, [Symbol.asyncDispose]: () => state[Symbol.asyncDispose]() };
}

describe('WriteBehind', () => {
  it('writes the last sighting of each host, and each offer once', async () => {
    await using test = await setup();
    const { writeBehind, state } = test;
    writeBehind.seen(host('a'));
    writeBehind.seen(host('a', { version: '1.1.0' }));
    writeBehind.seen(host('b'));
    const offer = { rolloutId: 'r', hostId: 'a', at: SEEN_AT };
    writeBehind.offered(offer);
    writeBehind.offered(offer);
    expect(writeBehind.size).toBe(3);
    await writeBehind.flush();
    expect(writeBehind.size).toBe(0);
    expect((await state.findHost('a'))?.version).toBe('1.1.0');
    expect((await state.findHost('b'))?.version).toBe('1.0.0');
    expect((await state.countsOf('r')).offered).toBe(1);
  });

  it('keeps what could not be written, but never over something newer', async () => {
    await using test = await setup();
    const { writeBehind, state, seen } = test;
    seen.isAway = true;
    writeBehind.seen(host('a', { version: '1.0.0' }));
    writeBehind.seen(host('b', { version: '1.0.0' }));
    writeBehind.offered({ rolloutId: 'r', hostId: 'a', at: SEEN_AT });
    const failing = writeBehind.flush();
    writeBehind.seen(host('a', { version: '1.1.0' }));
    await expect(failing).rejects.toMatchObject({ code: 'state/unavailable' });
    seen.isAway = false;
    await writeBehind.flush();
    expect((await state.findHost('a'))?.version).toBe('1.1.0');
    expect((await state.findHost('b'))?.version).toBe('1.0.0');
    expect((await state.countsOf('r')).offered).toBe(1);
    expect(seen.dropped).toBe(0);
  });

  it('forgets the newcomers, and counts them, when the database is away for too long', async () => {
    await using test = await setup();
    const { writeBehind, seen } = test;
    for (let index = 0; index < 100_010; index += 1) writeBehind.seen(host(`host-${index}`));
    expect(writeBehind.size).toBe(100_000);
    expect(seen.dropped).toBe(10);
    writeBehind.seen(host('host-5', { version: '1.1.0' }));
    expect(seen.dropped).toBe(10);
    seen.isAway = true;
    await expect(writeBehind.flush()).rejects.toBeInstanceOf(StateError);
    expect(writeBehind.size).toBe(100_000);
  });

  it('does not write again what is written, but every change of it, and after minutes all', async () => {
    await using test = await setup();
    const { writeBehind } = test;
    const later = (ms: number) => ({ seenAt: new Date(SEEN_AT.getTime() + ms) });
    const offer = { rolloutId: 'r', hostId: 'a', at: SEEN_AT };
    writeBehind.seen(host('a'));
    writeBehind.offered(offer);
    await writeBehind.flush();
    writeBehind.seen(host('a', later(60_000)));
    writeBehind.offered(offer);
    expect(writeBehind.size).toBe(0);
    writeBehind.seen(host('a', { ...later(60_000), state: 'staged' }));
    writeBehind.offered({ ...offer, rolloutId: 'r2' });
    expect(writeBehind.size).toBe(2);
    await writeBehind.flush();
    writeBehind.seen(host('a', { ...later(361_000), state: 'staged' }));
    expect(writeBehind.size).toBe(1);
  });

  it('writes a host that it forgot when it is seen again', async () => {
    await using test = await setup();
    const { writeBehind, state } = test;
    for (let index = 0; index < 100_001; index += 1) writeBehind.seen(host(`host-${index}`));
    await writeBehind.flush();
    expect(await state.findHost('host-100000')).toBeNull();
    writeBehind.seen(host('host-100000'));
    await writeBehind.flush();
    expect(await state.findHost('host-100000')).not.toBeNull();
  });

  it('asks to be written when a batch is full', async () => {
    await using test = await setup();
    for (let index = 0; index < 2000; index += 1) test.writeBehind.seen(host(`host-${index}`));
    expect(test.seen.woken).toBe(1);
  });
});
