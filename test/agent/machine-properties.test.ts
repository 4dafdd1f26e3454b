import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { AgentEvent, Effect, Facts } from '../../agent/machine-events.ts';
import { IDLE, stateSchema } from '../../agent/machine-state.ts';
import type { AgentState, Target } from '../../agent/machine-state.ts';
import { next } from '../../agent/machine.ts';
import {
  target,
  byHand,
  mishap,
  moment,
  offered,
  allowed,
  stillAllowed,
  unwell,
  returnIn,
  needsReboot,
  factsOf,
  READY,
  follow,
} from './machine-story.ts';

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
      return unwell;
    case 'deactivate':
      return { kind: 'deactivated', needsReboot: facts.running === '1.1.0', ...moment };
    case 'await-return':
      return returnIn(facts.bootId);
    case 'ask-again':
      return stillAllowed;
    case 'call-off':
      return { kind: 'called-off' };
    case 'report':
      return { kind: 'reported' };
    case 'await-reboot':
    case 'reboot':
    case 'mark-good':
    case null:
      return null;
  }
}

/** A host with an agent that boots what it is told to and is well on its first release alone. */
function failingHost() {
  const first = '1.0.0';
  let state: AgentState = IDLE;
  let slots = { running: first, other: first, nextToBoot: first };
  let [boots, nowMs] = [1, 0];
  const activated: string[] = [];
  const facts = () =>
    factsOf({ ...slots, bootId: `boot-${boots}`, isOnTrial: slots.running !== first });
  const answer = (effect: Effect | null): AgentEvent | null => {
    if (effect === 'fill' && state.kind === 'available') slots.other = state.target.to;
    if (effect === 'activate') {
      slots.nextToBoot = slots.other;
      activated.push(slots.other);
    }
    if (effect === 'await-reboot') return { kind: 'reboot-permitted' };
    if (effect !== 'deactivate') return answerOf(effect, facts());
    slots.nextToBoot = first;
    return { kind: 'deactivated', needsReboot: slots.running !== first, ...moment };
  };
  const react = (event: AgentEvent) => {
    for (let then: AgentEvent | null = event; then !== null;) {
      const step = next(state, then);
      ({ state } = step);
      then = answer(step.effect);
    }
  };
  return {
    activated,
    cycle: (offer: Target) => {
      nowMs += 3_600_000;
      react({ kind: 'started', facts: facts(), nowMs, random: 0 });
      react(allowed);
      react({ kind: 'offered', target: offer, nowMs, insists: false });
    },
    boot: () => {
      boots += 1;
      const { running, other, nextToBoot } = slots;
      slots = { running: nextToBoot, other: nextToBoot === running ? other : running, nextToBoot };
    },
  };
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
  other: fc.constantFrom('1.0.0', '1.1.0', null),
  isTriedInVain: fc.boolean(),
  isOnTrial: fc.boolean(),
  isJournalLost: fc.boolean(),
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
    ...[{ kind: 'reboot-put-off' } as const, stillAllowed, { kind: 'called-off' } as const],
    ...[returnIn('boot-1'), returnIn('boot-3'), { kind: 'healthy' } as const, unwell],
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
    // Nobody else activates anything.
    const seen = someFacts.map((any) => ({ ...any, isOnTrial: false, isJournalLost: false }));
    const boots = fc.array(fc.record({ seen, isPermitted: fc.boolean() }), {
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
        for (const { seen: now, isPermitted } of lives) {
          react({ kind: 'started', facts: now, ...moment }, now);
          if (isPermitted) react({ kind: 'reboot-permitted' }, now);
          react(offered, now);
        }
        expect(reboots).toBeLessThanOrEqual(2 * 3);
      }),
      { seed: 5, numRuns: 2000 },
    );
  });

  it('a host that is well on no release that it is offered tries each of them once, in whatever order they come back', () => {
    const versions = ['1.1.0', '1.2.0', '1.3.0', '1.4.0'];
    const offers = fc.array(
      fc.record({
        version: fc.constantFrom(...versions),
        rolloutId: fc.constantFrom('rollout-1', 'rollout-2'),
        isBooted: fc.boolean(),
      }),
      { minLength: 20, maxLength: 60 },
    );
    fc.assert(
      fc.property(offers, (lives) => {
        const host = failingHost();
        for (const [life, { version, rolloutId, isBooted }] of lives.entries()) {
          const id = `attempt-${life}`;
          host.cycle({ ...target, id, rolloutId, to: version });
          if (isBooted) host.boot();
        }
        expect(new Set(host.activated).size).toBe(host.activated.length);
      }),
      { seed: 6, numRuns: 1000 },
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
