import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { IDLE, mayTry, next, stateSchema } from '../../agent/machine.ts';
import type { AgentEvent, AgentState, Target } from '../../agent/machine.ts';

const target: Target = {
  ...{ id: 'attempt-1', rolloutId: 'rollout-1', direction: 'forward', attempt: 1 },
  ...{ from: '1.0.0', to: '1.1.0' },
};
const failure = {
  to: '1.1.0',
  attempt: 1,
  stage: 'install',
  code: 'agent/image',
  message: 'wrong',
};
const failed = (nowMs: number): AgentEvent => ({ kind: 'failed', failure, nowMs });

const available: AgentState = { kind: 'available', target, failure: null };
const staged: AgentState = { kind: 'staged', target };
const confirming: AgentState = { kind: 'confirming', target };

const events: fc.Arbitrary<AgentEvent> = fc.oneof(
  fc.constant({ kind: 'offered' as const, target }),
  fc.constantFrom(
    { kind: 'sealed' as const },
    { kind: 'allowed' as const },
    { kind: 'confirmed' as const },
  ),
  fc.record({
    kind: fc.constant('started' as const),
    running: fc.constantFrom('1.0.0', '1.1.0', '9.0.0'),
  }),
  fc.integer({ min: 0, max: 1e12 }).map(failed),
);

describe('next', () => {
  it('goes the whole way of an update', () => {
    const steps: readonly AgentEvent[] = [
      { kind: 'offered', target },
      { kind: 'sealed' },
      { kind: 'allowed' },
      { kind: 'confirmed' },
    ];
    const states = steps.reduce<AgentState[]>(
      (all, event) => [...all, next(all.at(-1) ?? IDLE, event)],
      [IDLE],
    );
    expect(states.map(({ kind }) => kind)).toEqual([
      ...['idle', 'available', 'staged', 'confirming', 'idle'],
    ]);
  });

  it.each([
    { case: 'in the middle of an install', before: available, running: '1.0.0', after: 'idle' },
    { case: 'with a sealed slot', before: staged, running: '1.0.0', after: 'staged' },
    { case: 'with a sealed slot of another time', before: staged, running: '9.0.0', after: 'idle' },
    { case: 'before the flip', before: confirming, running: '1.0.0', after: 'staged' },
    { case: 'after the flip', before: confirming, running: '1.1.0', after: 'confirming' },
    { case: 'on something else', before: confirming, running: '9.0.0', after: 'idle' },
  ])('starts anew $case', ({ before, running, after }) => {
    expect(next(before, { kind: 'started', running }).kind).toBe(after);
  });

  it('never confirms what was not activated, and never activates what was not sealed', () => {
    fc.assert(
      fc.property(fc.array(events, { maxLength: 30 }), (history) => {
        let state = IDLE;
        for (const event of history) {
          const after = next(state, event);
          expect(stateSchema.safeParse(after).success).toBe(true);
          if (after.kind === 'confirming' && state.kind !== 'confirming') {
            expect([state.kind, event.kind]).toEqual(['staged', 'allowed']);
          }
          if (after.kind === 'staged' && state.kind === 'available') {
            expect(event.kind).toBe('sealed');
          }
          state = after;
        }
      }),
      { seed: 7, numRuns: 300 },
    );
  });
});

describe('mayTry', () => {
  it('waits longer after every failure in a row, up to a day, and not for another release or a later attempt', () => {
    let state = IDLE;
    let nowMs = 0;
    const waits = Array.from({ length: 20 }, () => {
      state = next(next(state, { kind: 'offered', target }), failed(nowMs));
      const before = nowMs;
      expect(mayTry(state, { ...target, to: '1.2.0' }, nowMs)).toBe(true);
      expect(mayTry(state, { ...target, attempt: 2 }, nowMs)).toBe(true);
      while (!mayTry(state, target, nowMs)) nowMs += 10_000;
      return nowMs - before;
    });
    expect(waits[0]).toBe(10_000);
    expect(waits.every((wait, index) => index === 0 || wait >= (waits[index - 1] ?? 0))).toBe(true);
    expect(waits.at(-1)).toBe(86_400_000);
  });
});
