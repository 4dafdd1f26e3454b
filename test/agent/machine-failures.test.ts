import { describe, expect, it } from '@jest/globals';
import type { AgentEvent } from '../../agent/machine-events.ts';
import { IDLE } from '../../agent/machine-state.ts';
import type { AgentState, Mishap, Target } from '../../agent/machine-state.ts';
import { next } from '../../agent/machine.ts';
import {
  target,
  byHand,
  mishap,
  moment,
  offered,
  allowed,
  unwell,
  follow,
} from './machine-story.ts';

describe('an install that fails', () => {
  it('is reported, and tried again later each time, with a jitter, twelve times at most', () => {
    let state: AgentState = IDLE;
    const waits: (number | null)[] = [];
    for (let count = 1; count <= 12; count += 1) {
      ({ state } = next(state, { ...offered, nowMs: Number.MAX_SAFE_INTEGER }));
      const failed = next(state, { kind: 'failed', mishap, nowMs: 0, random: 0.5 });
      expect(failed.effect).toBe('report');
      ({ state } = next(failed.state, { kind: 'reported' }));
      waits.push(state.failures[0]?.retryAtMs ?? null);
    }
    expect(waits.slice(0, 3)).toEqual([7500, 15_000, 30_000]);
    expect(waits.slice(-2)).toEqual([7_680_000, null]);
  });

  it('waits no more than a day', () => {
    const failure = { ...mishap, to: '1.1.0', attempt: 1, count: 10, retryAtMs: 0 };
    const available: AgentState = { kind: 'available', target, failures: [failure], reboots: 0 };
    const { state } = next(available, { kind: 'failed', mishap, ...moment });
    expect(state.failures).toMatchObject([{ retryAtMs: 10_240_000 }]);
  });

  it('because signed documents do not permit it is asked for again later each time, for ever, and told to nobody', () => {
    const notPermitted: Mishap = { stage: 'verify', code: 'agent/not-permitted', message: 'no' };
    let state: AgentState = IDLE;
    const waits: (number | null)[] = [];
    for (let count = 1; count <= 20; count += 1) {
      ({ state } = next(state, { ...offered, nowMs: Number.MAX_SAFE_INTEGER }));
      const refused = next(state, { kind: 'refused', mishap: notPermitted, nowMs: 0, random: 0 });
      expect(refused).toMatchObject({ state: { kind: 'idle', outcome: null }, effect: null });
      ({ state } = refused);
      waits.push(state.failures[0]?.retryAtMs ?? null);
    }
    expect(next(state, offered).effect).toBeNull();
    expect([waits[0], waits[1], waits.at(-1)]).toEqual([10_000, 20_000, 86_400_000]);
  });
});

describe('what failed on a host', () => {
  const failing = (version: string): readonly AgentEvent[] => [
    { ...offered, target: { ...target, id: version, to: version } },
    ...([{ kind: 'prepare-permitted' }, { kind: 'sealed' }, { kind: 'apply-permitted' }] as const),
    ...([{ kind: 'verified' }, allowed, { kind: 'activated', needsReboot: false }] as const),
    ...([unwell, { kind: 'deactivated', needsReboot: false, ...moment }] as const),
    { kind: 'reported' },
  ];
  const isTried = (state: AgentState, version: string) =>
    next(state, { ...offered, target: { ...target, id: 'again', to: version } }).effect !== null;

  it('is not tried again because something else failed since', () => {
    const { state } = follow(...failing('1.1.0'), ...failing('1.2.0'));
    expect(['1.1.0', '1.2.0', '1.3.0'].map((version) => isTried(state, version))).toEqual([
      ...[false, false, true],
    ]);
  });

  it('is not forgotten when somebody takes the host back by hand', () => {
    const { failures } = follow(...failing('1.2.0')).state;
    const back: Target = { ...byHand, from: '1.1.0', to: '1.0.0' };
    const confirming: AgentState = { kind: 'confirming', target: back, failures, reboots: 0 };
    const { state } = next(confirming, { kind: 'marked-good' });
    expect(['1.1.0', '1.2.0', '1.3.0'].map((version) => isTried(state, version))).toEqual([
      ...[false, false, true],
    ]);
  });

  it('may come through on a newer release', () => {
    const { failures } = follow(...failing('1.2.0')).state;
    const confirming: AgentState = { kind: 'confirming', target, failures, reboots: 0 };
    expect(isTried(next(confirming, { kind: 'marked-good' }).state, '1.2.0')).toBe(true);
  });

  it('is bounded in number, the oldest is forgotten first', () => {
    const versions = Array.from({ length: 40 }, (_, n) => `2.${n}.0`);
    const { failures } = follow(...versions.flatMap(failing)).state;
    expect(failures.map(({ to }) => to)).toEqual(versions.slice(-32));
  });
});
