import { describe, expect, it } from '@jest/globals';
import type { AgentEvent } from '../../agent/machine-events.ts';
import { IDLE } from '../../agent/machine-state.ts';
import { next } from '../../agent/machine.ts';
import {
  target,
  moment,
  offered,
  allowed,
  stillAllowed,
  unwell,
  returnIn,
  needsReboot,
  factsOf,
  started,
  follow,
  STAGED,
  VERIFIED,
  READY,
  REBOOTING,
  BOOTED,
} from './machine-story.ts';

describe('an update with a reboot', () => {
  it('goes from offer to proven health', () => {
    const { kinds, state, effect } = follow(
      ...REBOOTING,
      BOOTED,
      { kind: 'healthy' },
      { kind: 'marked-good' },
    );
    expect(kinds).toEqual([
      ...['available', 'available', 'staged', 'staged', 'staged', 'ready', 'ready'],
      ...['ready', 'rebooting', 'confirming', 'confirming', 'idle'],
    ]);
    expect([state, effect]).toEqual([
      { kind: 'idle', failures: [], outcome: { target, mishap: null } },
      'report',
    ]);
    expect(next(state, { kind: 'reported' }).state).toEqual(IDLE);
  });

  it('is on trial too when somebody else booted the host', () => {
    expect(follow(...READY, BOOTED)).toMatchObject({
      ...{ state: { kind: 'confirming' }, effect: 'check-health' },
    });
  });

  it('goes back when the host is not well, and is not tried again until something changes', () => {
    const fallen = follow(...REBOOTING, BOOTED, unwell);
    expect([fallen.state.kind, fallen.effect]).toEqual(['fallen-back', 'deactivate']);
    const told = next(fallen.state, { kind: 'deactivated', needsReboot, ...moment });
    expect(told.effect).toBe('await-return');
    const ordered = next(told.state, returnIn('boot-2'));
    expect(ordered.effect).toBe('reboot');
    const booted = next(ordered.state, started({ bootId: 'boot-3' }));
    expect(booted.effect).toBe('deactivate');
    const home = next(booted.state, { kind: 'deactivated', needsReboot: false, ...moment });
    expect(home).toMatchObject({
      state: { kind: 'fallen-back', isBack: true, failures: [{ to: '1.1.0', retryAtMs: null }] },
      effect: 'report',
    });
    const again = { ...offered, nowMs: Number.MAX_SAFE_INTEGER };
    expect(next(home.state, again).effect).toBeNull();
    const retried = { ...target, attempt: 2 };
    expect(next(home.state, { ...again, target: retried }).effect).toBe('await-prepare');
    const other = { ...target, to: '1.2.0' };
    expect(next(home.state, { ...again, target: other }).effect).toBe('await-prepare');
    expect(next(home.state, { ...again, insists: true }).effect).toBe('await-prepare');
  });

  it('knows that the boot loader tried the release in vain', () => {
    const facts = { bootId: 'boot-2', isTriedInVain: true };
    expect(follow(...REBOOTING, started(facts))).toMatchObject({
      state: { kind: 'fallen-back', isBack: true, mishap: { code: 'agent/not-booted' } },
      effect: 'report',
    });
  });

  it('asks again when the flip did not take place, or was taken back', () => {
    expect(follow(...VERIFIED, allowed, started({ bootId: 'boot-2' })).kinds.at(-1)).toBe('staged');
  });

  it('waits again when the system does not take the order to boot, tells who prepared it, and blames nobody', () => {
    const { state, effect } = follow(...REBOOTING, { kind: 'reboot-put-off' });
    expect([state.kind, effect]).toEqual(['ready', 'call-off']);
    expect(next(state, started({ nextToBoot: '1.1.0' })).effect).toBe('call-off');
    const told = next(state, { kind: 'called-off' });
    expect(told).toEqual({ state: follow(...READY).state, effect: null });
  });

  it('is not booted into before the order is found to stand, and then once more after all that precedes the boot', () => {
    const ready = follow(...READY).state;
    expect(next(ready, started({ nextToBoot: '1.1.0' }))).toEqual({ state: ready, effect: null });
    expect(next(ready, { kind: 'continued' }).effect).toBe('ask');
    expect(next(ready, allowed).effect).toBe('await-reboot');
    const drained = next(ready, { kind: 'reboot-permitted' });
    expect(drained).toEqual({ state: ready, effect: 'ask-again' });
    expect(next(ready, { kind: 'reboot-put-off' })).toMatchObject({
      ...{ state: { kind: 'ready', calledOff: 'boot' }, effect: 'call-off' },
    });
    expect(next(ready, stillAllowed)).toMatchObject({
      ...{ state: { kind: 'rebooting', reboots: 1 }, effect: 'reboot' },
    });
  });

  it('is told to boot once more when the order got lost, and that is not counted', () => {
    const waiting = (nowMs: number): AgentEvent => ({
      ...{ kind: 'started', facts: factsOf({ nextToBoot: '1.1.0' }), nowMs, random: 0 },
    });
    const { state } = follow(...REBOOTING);
    expect(next(state, waiting(14 * 60_000))).toEqual({ state, effect: null });
    expect(next(state, waiting(15 * 60_000)).state).toEqual(follow(...READY).state);
  });

  it('goes on from where it waits when somebody wants it to', () => {
    const effects = [[offered], STAGED, READY, REBOOTING].map(
      (events) => follow(...events, { kind: 'continued' }).effect,
    );
    expect(effects).toEqual(['await-prepare', 'await-apply', 'ask', 'ask']);
    expect(next(IDLE, { kind: 'continued' })).toEqual({ state: IDLE, effect: null });
  });

  it('gives up a release that the host does not boot although it is told to, three times', () => {
    const elsewhere = (boot: number) => started({ nextToBoot: '1.1.0', bootId: `boot-${boot}` });
    const twice = follow(...REBOOTING, elsewhere(2), stillAllowed, elsewhere(3), stillAllowed);
    expect(twice.kinds.slice(-4)).toEqual(['ready', 'rebooting', 'ready', 'rebooting']);
    const { state, effect } = next(twice.state, elsewhere(4));
    expect([state.kind, effect]).toEqual(['fallen-back', 'deactivate']);
    const back = next(state, { kind: 'deactivated', needsReboot: false, ...moment });
    expect(back).toMatchObject({ state: { isBack: true }, effect: 'report' });
  });

  it.each([
    { case: 'ready', events: READY },
    { case: 'told to boot', events: REBOOTING },
  ])(
    'is taken back by who cancels it, $case, told to who prepared the boot, and stays staged',
    ({ events }) => {
      const cancelled = follow(...events, { kind: 'cancelled' });
      expect([cancelled.state.kind, cancelled.effect]).toEqual(['ready', 'deactivate']);
      const taken = next(cancelled.state, { kind: 'deactivated', needsReboot, ...moment });
      expect([taken.state.kind, taken.effect]).toEqual(['ready', 'call-off']);
      expect(next(taken.state, { kind: 'called-off' }).state.kind).toBe('staged');
    },
  );

  it.each([
    { case: 'before it took effect', nextToBoot: '1.1.0' },
    { case: 'after it took effect', nextToBoot: '1.0.0' },
  ])(
    'does not forget a cancel when it is killed $case, and orders no boot any more',
    ({ nextToBoot }) => {
      const { state } = follow(...READY, { kind: 'cancelled' });
      for (const bootId of ['boot-1', 'boot-2']) {
        const again = next(state, started({ nextToBoot, bootId }));
        expect([again.state.kind, again.effect]).toEqual(['ready', 'deactivate']);
      }
      for (const event of [allowed, stillAllowed, { kind: 'reboot-permitted' }] as const)
        expect(next(state, event)).toEqual({ state, effect: null });
    },
  );
});

describe('an update without a reboot', () => {
  it('is on trial as soon as it is activated', () => {
    const { state, effect } = follow(...VERIFIED, allowed, {
      ...{ kind: 'activated', needsReboot: false },
    });
    expect([state.kind, effect]).toEqual(['confirming', 'check-health']);
    const sickened = next(state, unwell);
    const home = next(sickened.state, { kind: 'deactivated', needsReboot: false, ...moment });
    expect(home).toMatchObject({ state: { kind: 'fallen-back', isBack: true }, effect: 'report' });
  });
});
