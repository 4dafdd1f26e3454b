import { describe, expect, it } from '@jest/globals';
import { compileManifest } from '../../core/compile.ts';
import { readRules } from '../../core/fleet/read-rules.ts';
import { parseManifest } from '../../core/manifest.ts';
import { applyToPlan, appliedIds, EMPTY_PLAN, rulesVersion } from '../../core/plan.ts';
import type { FleetVerb } from '../../core/plan.ts';
import { formatVerb, parseVerb } from '../../core/verb-json.ts';
import { planOf, releaseOf, START, startedRollout, startVerb } from '../support/rollouts.ts';

const RULES = readRules({
  groups: [
    { name: 'canary', first: true, match: { labels: 'role=canary', hosts: ['a'] } },
    {
      name: 'prod',
      delay: '2 days',
      versions: '~1.1',
      rollback: 'waits',
      concurrency: [{ limit: '5 %', per: 'zone' }, { limit: 3 }],
      windows: [{ days: ['sun', 'mon'], from: '22:00', to: '04:00', time_zone: 'Europe/Berlin' }],
    },
  ],
  freezes: [{ from: '2026-01-01T00:00:00Z', to: '2026-01-02T00:00:00Z', reason: 'x' }],
  pins: { 'host-1': '1.1.0' },
  excludes: { 'host-2': 'broken' },
  dead_ends: [{ versions: '1.0.9', reason: 'y' }],
});

function verb(id: string, rules = RULES): FleetVerb {
  return { kind: 'apply-fleet', id, at: START, by: 'operator', reason: 'r', rules };
}

describe('applyToPlan', () => {
  it('replaces the rules and says in the history who did it', () => {
    const plan = applyToPlan(planOf([startedRollout(releaseOf('1.1.0'))]), verb('fleet-1'));
    expect(plan.fleet.rules).toEqual(RULES);
    expect(plan.fleet.history).toEqual([
      {
        id: 'fleet-1',
        verb: 'apply-fleet',
        at: START,
        by: 'operator',
        reason: 'r',
        evidence: null,
      },
    ]);
    expect(plan.rollouts).toHaveLength(1);
  });

  it('changes nothing by a verb that it took before, even after later rules', () => {
    const first = applyToPlan(EMPTY_PLAN, verb('fleet-1'));
    const second = applyToPlan(first, verb('fleet-2', readRules({})));
    expect(applyToPlan(second, verb('fleet-1'))).toBe(second);
  });

  it('replaces the rules that it names, and no others', () => {
    const first = applyToPlan(EMPTY_PLAN, {
      ...verb('fleet-1'),
      replaces: rulesVersion(EMPTY_PLAN.fleet),
    });
    const next = { ...verb('fleet-2'), replaces: rulesVersion(first.fleet) };
    expect(parseVerb(formatVerb(next))).toEqual(next);
    const second = applyToPlan(first, next);
    const late = { ...verb('fleet-3'), replaces: rulesVersion(first.fleet) };
    const refused = expect.objectContaining({ code: 'rollout/other-rules' });
    expect(() => applyToPlan(second, late)).toThrow(refused);
    expect(applyToPlan(second, next)).toBe(second);
  });

  it('refuses an id that a verb of the other kind has', () => {
    const release = releaseOf('1.1.0');
    const started = applyToPlan(EMPTY_PLAN, startVerb(release));
    const { id } = startVerb(release);
    const exists = expect.objectContaining({ code: 'rollout/exists' });
    expect(() => applyToPlan(started, verb(id))).toThrow(exists);
    expect(() => applyToPlan(applyToPlan(EMPTY_PLAN, verb(id)), startVerb(release))).toThrow(
      exists,
    );
  });

  it('bounds the history, so that the manifest does not grow for ever', () => {
    let plan = EMPTY_PLAN;
    for (let index = 0; index < 150; index += 1) plan = applyToPlan(plan, verb(`fleet-${index}`));
    expect(plan.fleet.history).toHaveLength(100);
    expect(appliedIds(plan).has('fleet-149')).toBe(true);
  });
});

describe('the rules in the manifest and in the outbox', () => {
  it('come back whole from the manifest', () => {
    const plan = applyToPlan(planOf([startedRollout(releaseOf('1.1.0'))]), verb('fleet-1'));
    const text = compileManifest(plan, { published: ['1.1.0'], now: START });
    expect(parseManifest(text)).toEqual(plan);
  });

  it('come back whole from the outbox', () => {
    expect(parseVerb(formatVerb(verb('fleet-1')))).toEqual(verb('fleet-1'));
  });

  it.each([
    { case: 'a rule that is not known', fleet: { rules: { quotas: [] }, history: [] } },
    { case: 'a key beside the rules', fleet: { rules: {}, history: [], more: 1 } },
    {
      case: 'rules that contradict each other',
      fleet: { rules: { pins: { a: '1.0.0' }, excludes: { a: 'x' } }, history: [] },
    },
  ])('are refused with $case', ({ fleet }) => {
    expect(() => parseManifest(JSON.stringify({ rollouts: [], fleet }))).toThrow(
      expect.objectContaining({ code: 'manifest/invalid' }),
    );
  });
});
