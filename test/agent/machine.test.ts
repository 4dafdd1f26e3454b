import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { IDLE, stateSchema } from '../../agent/machine-state.ts';
import type { AgentState, Mishap, Target } from '../../agent/machine-state.ts';
import { next } from '../../agent/machine.ts';
import type { AgentEvent, Effect, Facts } from '../../agent/machine-events.ts';

const target: Target = {
  ...{ id: 'attempt-1', rolloutId: 'rollout-1', direction: 'forward', attempt: 1 },
  ...{ from: '1.0.0', to: '1.1.0' },
};
const byHand: Target = { ...target, id: 'attempt-2', rolloutId: null, direction: 'rollback' };
const mishap: Mishap = { stage: 'install', code: 'agent/image', message: 'wrong' };
const sick: Mishap = { stage: 'health', code: 'agent/unhealthy', message: 'no network' };
const moment = { nowMs: 0, random: 0 };
const offered = { kind: 'offered', target, nowMs: 0, insists: false } as const;
const allowed: AgentEvent = { kind: 'allowed', bootId: 'boot-1' };
const needsReboot = true;

function factsOf(change: Partial<Facts> = {}): Facts {
  return {
    running: '1.0.0',
    nextToBoot: '1.0.0',
    isTriedInVain: false,
    bootId: 'boot-1',
    ...change,
  };
}

const started = (change: Partial<Facts> = {}): AgentEvent => ({
  ...{ kind: 'started', facts: factsOf(change) },
  ...moment,
});

/** The states after each event in turn, and the effect of the last one. */
function follow(...events: readonly AgentEvent[]) {
  let state: AgentState = IDLE;
  let effect: Effect | null = null;
  const kinds: string[] = [];
  for (const event of events) {
    ({ state, effect } = next(state, event));
    kinds.push(state.kind);
  }
  return { state, effect, kinds };
}

const STAGED = [offered, { kind: 'prepare-permitted' }, { kind: 'sealed' }] as const;
const VERIFIED = [...STAGED, { kind: 'apply-permitted' }, { kind: 'verified' }] as const;
const READY = [...VERIFIED, allowed, { kind: 'activated', needsReboot }] as const;
const REBOOTING = [...READY, { kind: 'reboot-permitted' }] as const;
const BOOTED = started({ running: '1.1.0', nextToBoot: '1.1.0', bootId: 'boot-2' });

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
      ...['rebooting', 'confirming', 'confirming', 'idle'],
    ]);
    expect([state, effect]).toEqual([
      { kind: 'idle', failure: null, outcome: { target, mishap: null } },
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
    const fallen = follow(...REBOOTING, BOOTED, { kind: 'unhealthy', mishap: sick });
    expect([fallen.state.kind, fallen.effect]).toEqual(['fallen-back', 'deactivate']);
    const told = next(fallen.state, { kind: 'deactivated', needsReboot, ...moment });
    expect(told.effect).toBe('reboot');
    const booted = next(told.state, started({ bootId: 'boot-3' }));
    expect(booted.effect).toBe('deactivate');
    const home = next(booted.state, { kind: 'deactivated', needsReboot: false, ...moment });
    expect(home).toMatchObject({
      state: { kind: 'fallen-back', isBack: true, failure: { to: '1.1.0', retryAtMs: null } },
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

  it('waits again when the system does not take the order to boot, and blames nobody', () => {
    const { state, effect } = follow(...REBOOTING, { kind: 'reboot-refused' });
    expect([state, effect]).toEqual([follow(...READY).state, null]);
  });

  it('goes on from where it waits when somebody wants it to', () => {
    const effects = [[offered], STAGED, READY, REBOOTING].map(
      (events) => follow(...events, { kind: 'continued' }).effect,
    );
    expect(effects).toEqual(['await-prepare', 'await-apply', 'await-reboot', 'await-reboot']);
    expect(next(IDLE, { kind: 'continued' })).toEqual({ state: IDLE, effect: null });
  });

  it('gives up a release that the host does not boot although it is told to, three times', () => {
    const elsewhere = (boot: number) => started({ nextToBoot: '1.1.0', bootId: `boot-${boot}` });
    const permitted: AgentEvent = { kind: 'reboot-permitted' };
    const twice = follow(...REBOOTING, elsewhere(2), permitted, elsewhere(3), permitted);
    expect(twice.kinds.slice(-4)).toEqual(['ready', 'rebooting', 'ready', 'rebooting']);
    const { state, effect } = next(twice.state, elsewhere(4));
    expect([state.kind, effect]).toEqual(['fallen-back', 'deactivate']);
    const back = next(state, { kind: 'deactivated', needsReboot: false, ...moment });
    expect(back).toMatchObject({ state: { isBack: true }, effect: 'report' });
  });

  it('is taken back by who cancels it, and stays staged', () => {
    const cancelled = follow(...READY, { kind: 'cancelled' });
    expect([cancelled.state.kind, cancelled.effect]).toEqual(['ready', 'deactivate']);
    const { state } = next(cancelled.state, { kind: 'deactivated', needsReboot, ...moment });
    expect(state.kind).toBe('staged');
  });
});

describe('an update without a reboot', () => {
  it('is on trial as soon as it is activated', () => {
    const { state, effect } = follow(...VERIFIED, allowed, {
      ...{ kind: 'activated', needsReboot: false },
    });
    expect([state.kind, effect]).toEqual(['confirming', 'check-health']);
    const sickened = next(state, { kind: 'unhealthy', mishap: sick });
    const home = next(sickened.state, { kind: 'deactivated', needsReboot: false, ...moment });
    expect(home).toMatchObject({ state: { kind: 'fallen-back', isBack: true }, effect: 'report' });
  });
});

describe('a way back that somebody on the host asked for', () => {
  it('keeps the host from the release that it left, until there is another or somebody insists', () => {
    const back: Target = { ...byHand, from: '1.1.0', to: '1.0.0' };
    const confirming: AgentState = { kind: 'confirming', target: back, failure: null, reboots: 0 };
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

describe('an install that fails', () => {
  it('is reported, and tried again later each time, with a jitter, twelve times at most', () => {
    let state: AgentState = IDLE;
    const waits: (number | null)[] = [];
    for (let count = 1; count <= 12; count += 1) {
      ({ state } = next(state, { ...offered, nowMs: Number.MAX_SAFE_INTEGER }));
      const failed = next(state, { kind: 'failed', mishap, nowMs: 0, random: 0.5 });
      expect(failed.effect).toBe('report');
      ({ state } = next(failed.state, { kind: 'reported' }));
      waits.push(state.failure?.retryAtMs ?? null);
    }
    expect(waits.slice(0, 3)).toEqual([7500, 15_000, 30_000]);
    expect(waits.slice(-2)).toEqual([7_680_000, null]);
  });

  it('waits no more than a day', () => {
    const failure = { ...mishap, to: '1.1.0', attempt: 1, count: 10, retryAtMs: 0 };
    const available: AgentState = { kind: 'available', target, failure, reboots: 0 };
    const { state } = next(available, { kind: 'failed', mishap, ...moment });
    expect(state.failure?.retryAtMs).toBe(10_240_000);
  });
});

/** What a host makes of an effect: everything works, but it is never well. */
function answerOf(effect: Effect | null, facts: Facts): AgentEvent | null {
  switch (effect) {
    case 'await-prepare':
      return { kind: 'prepare-permitted' };
    case 'fill':
      return { kind: 'sealed' };
    case 'await-apply':
      return { kind: 'apply-permitted' };
    case 'verify':
      return { kind: 'verified' };
    case 'ask':
      return { kind: 'allowed', bootId: facts.bootId };
    case 'activate':
      return { kind: 'activated', needsReboot };
    case 'check-health':
      return { kind: 'unhealthy', mishap: sick };
    case 'deactivate':
      return { kind: 'deactivated', needsReboot: facts.running === '1.1.0', ...moment };
    case 'report':
      return { kind: 'reported' };
    case 'await-reboot':
    case 'reboot':
    case 'mark-good':
    case null:
      return null;
  }
}

const someTarget = fc.constantFrom<Target>(
  ...[target, { ...target, to: '1.2.0' }, { ...target, attempt: 2 }, byHand],
);
const someMoment = {
  nowMs: fc.integer({ min: 0, max: 1e12 }),
  random: fc.double({ min: 0, max: 0.99, noNaN: true }),
};
const someFacts = fc.record({
  running: fc.constantFrom('1.0.0', '1.1.0', '9.0.0'),
  nextToBoot: fc.constantFrom('1.0.0', '1.1.0'),
  isTriedInVain: fc.boolean(),
  bootId: fc.constantFrom('boot-1', 'boot-2', 'boot-3'),
});
const someEvent: fc.Arbitrary<AgentEvent> = fc.oneof(
  fc.record({ kind: fc.constant('started' as const), facts: someFacts, ...someMoment }),
  fc.record({
    kind: fc.constant('offered' as const),
    target: someTarget,
    nowMs: someMoment.nowMs,
    insists: fc.boolean(),
  }),
  fc.constantFrom<AgentEvent>(
    ...[{ kind: 'sealed' } as const, allowed, { kind: 'reboot-permitted' } as const],
    ...[{ kind: 'prepare-permitted' } as const, { kind: 'apply-permitted' } as const],
    ...[{ kind: 'verified' } as const, { kind: 'continued' } as const],
    ...[{ kind: 'reboot-refused' } as const],
    ...[{ kind: 'healthy' } as const, { kind: 'unhealthy', mishap: sick } as const],
    ...[{ kind: 'marked-good' } as const, { kind: 'cancelled' } as const],
    ...[{ kind: 'reported' } as const, { kind: 'activated', needsReboot } as const],
    { kind: 'activated', needsReboot: false },
  ),
  fc.record({
    kind: fc.constant('deactivated' as const),
    needsReboot: fc.boolean(),
    ...someMoment,
  }),
  fc.record({ kind: fc.constant('failed' as const), mishap: fc.constant(mishap), ...someMoment }),
);

describe('whatever happens', () => {
  it('nothing is activated that was not sealed and allowed, and nothing is good that was not on trial', () => {
    fc.assert(
      fc.property(fc.array(someEvent, { maxLength: 40 }), (history) => {
        let state: AgentState = IDLE;
        for (const event of history) {
          const before: AgentState = state;
          const { state: after, effect } = next(state, event);
          expect(stateSchema.safeParse(JSON.parse(JSON.stringify(after))).data).toEqual(after);
          if (effect === 'activate')
            expect([before.kind, event.kind]).toEqual(['staged', 'allowed']);
          if (effect === 'ask') expect([before.kind, event.kind]).toEqual(['staged', 'verified']);
          if (effect === 'mark-good')
            expect([before.kind, event.kind]).toEqual(['confirming', 'healthy']);
          if (after.kind === 'staged' && before.kind === 'available')
            expect(event.kind).toBe('sealed');
          if (effect === 'report') expect('outcome' in after && after.outcome).toBeTruthy();
          state = after;
        }
      }),
      { seed: 3, numRuns: 3000 },
    );
  });

  it('one attempt asks for a few reboots at most, whatever the boot loader makes of it', () => {
    const boots = fc.array(fc.record({ facts: someFacts, isPermitted: fc.boolean() }), {
      minLength: 20,
      maxLength: 40,
    });
    fc.assert(
      fc.property(boots, (lives) => {
        let { state } = follow(...READY);
        let reboots = 0;
        const react = (event: AgentEvent, facts: Facts) => {
          for (let then: AgentEvent | null = event; then !== null;) {
            const step = next(state, then);
            ({ state } = step);
            if (step.effect === 'reboot') reboots += 1;
            then = answerOf(step.effect, facts);
          }
        };
        for (const { facts, isPermitted } of lives) {
          react({ kind: 'started', facts, ...moment }, facts);
          if (isPermitted) react({ kind: 'reboot-permitted' }, facts);
          react(offered, facts);
        }
        expect(reboots).toBeLessThanOrEqual(2 * 3);
      }),
      { seed: 5, numRuns: 2000 },
    );
  });

  it('an agent that is started twice does what it does when it is started once', () => {
    fc.assert(
      fc.property(fc.array(someEvent, { maxLength: 20 }), someFacts, (history, facts) => {
        const state = history.reduce((at, event) => next(at, event).state, IDLE);
        const start: AgentEvent = { kind: 'started', facts, ...moment };
        const once = next(state, start);
        expect(next(once.state, start)).toEqual(once);
      }),
      { seed: 4, numRuns: 3000 },
    );
  });
});
