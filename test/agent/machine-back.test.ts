import { describe, expect, it } from '@jest/globals';
import type { AgentEvent } from '../../agent/machine-events.ts';
import { IDLE } from '../../agent/machine-state.ts';
import type { AgentState, Target } from '../../agent/machine-state.ts';
import { next } from '../../agent/machine.ts';
import {
  target,
  byHand,
  moment,
  offered,
  unwell,
  returnIn,
  needsReboot,
  started,
  follow,
  REBOOTING,
  BOOTED,
} from './machine-story.ts';

describe('a way back', () => {
  const fallen = follow(...REBOOTING, BOOTED, unwell, {
    ...{ kind: 'deactivated', needsReboot, ...moment },
  }).state;
  const stillThere = (bootId: string): AgentEvent =>
    started({ running: '1.1.0', nextToBoot: '1.0.0', other: '1.0.0', bootId });
  const deactivated: AgentEvent = { kind: 'deactivated', needsReboot, ...moment };

  it('waits for a boot that was ordered, and orders none meanwhile', () => {
    const { state } = next(fallen, returnIn('boot-2'));
    expect(next(state, stillThere('boot-2'))).toEqual({ state, effect: null });
    expect(next(state, { kind: 'continued' }).effect).toBe('deactivate');
  });

  it('goes on asking when the system does not take the order, and counts no such order', () => {
    let state = fallen;
    for (let cycle = 0; cycle < 10; cycle += 1) {
      const ordered = next(state, returnIn('boot-2'));
      expect(ordered.effect).toBe('reboot');
      const refused = next(ordered.state, { kind: 'reboot-put-off' });
      expect(refused.effect).toBe('call-off');
      expect(next(refused.state, stillThere('boot-2')).effect).toBe('call-off');
      const told = next(refused.state, { kind: 'called-off' });
      const again = next(told.state, stillThere('boot-2'));
      expect(again.effect).toBe('deactivate');
      expect(next(again.state, deactivated).effect).toBe('await-return');
      ({ state } = again);
    }
  });

  it('that three boots do not bring is told once, and can still be ordered by hand', () => {
    let state = fallen;
    for (const boot of [2, 3, 4]) {
      ({ state } = next(state, returnIn(`boot-${boot}`)));
      const after = next(state, stillThere(`boot-${boot + 1}`));
      expect(after.effect).toBe(boot < 4 ? 'deactivate' : 'report');
      if (boot < 4) expect(after.state).toMatchObject({ ordered: null, reboots: boot - 1 });
      ({ state } = after);
    }
    expect(state).toMatchObject({ isStuck: true, outcome: { mishap: { code: 'agent/not-back' } } });
    ({ state } = next(state, { kind: 'reported' }));
    expect(next(state, stillThere('boot-6'))).toEqual({ state, effect: null });
    expect(next(state, { kind: 'continued' }).effect).toBe('deactivate');
    const home = next(state, started({ bootId: 'boot-7' }));
    expect(next(home.state, { ...deactivated, needsReboot: false })).toMatchObject({
      ...{ state: { isBack: true }, effect: 'report' },
    });
  });
});

describe('a journal that is lost, and slots that others activated', () => {
  const onTrial = { running: '1.1.0', other: '1.0.0', nextToBoot: '1.1.0', isOnTrial: true };

  it.each([{ isJournalLost: true }, { isJournalLost: false }])(
    'a release on trial is confirmed or taken back like any other (%o)',
    (change) => {
      const { state, effect } = next(IDLE, started({ ...onTrial, ...change }));
      expect(state).toMatchObject({
        ...{ kind: 'confirming', target: { from: '1.0.0', to: '1.1.0', rolloutId: null } },
      });
      expect(effect).toBe('check-health');
      const good = next(state, { kind: 'marked-good' });
      expect(good.state).toMatchObject({ kind: 'idle', failures: [] });
      expect(next(state, unwell).effect).toBe('deactivate');
    },
  );

  it('a release on trial that there is no way back from stays on trial until it is well', () => {
    const { state } = next(IDLE, started({ ...onTrial, other: null }));
    expect(next(state, unwell)).toEqual({ state, effect: null });
    expect(next(state, { kind: 'marked-good' })).toEqual({ state: IDLE, effect: null });
  });

  it('what is next to boot by an order that nobody remembers is taken back', () => {
    const lost = next(IDLE, started({ nextToBoot: '1.1.0', isJournalLost: true }));
    expect([lost.state.kind, lost.effect]).toEqual(['ready', 'deactivate']);
    const taken = next(lost.state, { kind: 'deactivated', needsReboot: false, ...moment });
    expect(taken.effect).toBe('call-off');
    expect(next(taken.state, { kind: 'called-off' }).state).toEqual(IDLE);
  });

  it('what somebody activated is left to the next boot, and remembered when that is in vain', () => {
    expect(next(IDLE, started({ nextToBoot: '1.1.0' }))).toEqual({ state: IDLE, effect: null });
    const { state } = next(IDLE, started({ isTriedInVain: true }));
    expect(state).toMatchObject({ kind: 'idle', failures: [{ to: '1.1.0', retryAtMs: null }] });
  });
});

describe('a way back that somebody on the host asked for', () => {
  it('keeps the host from the release that it left, until there is another or somebody insists', () => {
    const back: Target = { ...byHand, from: '1.1.0', to: '1.0.0' };
    const confirming: AgentState = { kind: 'confirming', target: back, failures: [], reboots: 0 };
    const { state } = next(confirming, { kind: 'marked-good' });
    const nowMs = Number.MAX_SAFE_INTEGER;
    expect(next(state, { ...offered, nowMs }).effect).toBeNull();
    expect(next(state, { ...offered, nowMs, insists: true }).effect).toBe('await-prepare');
    const other = { ...target, to: '1.2.0' };
    expect(next(state, { ...offered, nowMs, target: other }).effect).toBe('await-prepare');
  });

  it('is forgotten when the agent ends before it is activated', () => {
    const { state } = follow({ ...offered, target: byHand }, started());
    expect(state).toEqual(IDLE);
  });
});
