import { describe, expect, it } from '@jest/globals';
import { parseManifest } from '../../core/bottlerocket/manifest.ts';
import { updateRequired } from '../../core/bottlerocket/update-required.ts';
import { compileManifest } from '../../core/compile.ts';
import { decide } from '../../core/decide.ts';
import { parseFleetFile } from '../../core/fleet/file.ts';
import { NO_RULES } from '../../core/fleet/rules.ts';
import type { Rollout } from '../../core/rollout.ts';
import { SEED_COUNT } from '../../core/seed.ts';
import { ebbAt, tideAt } from '../../core/tide.ts';
import { applyVerb, legalVerbs } from '../../core/verb.ts';
import {
  after,
  DAY_MS,
  gateOf,
  HOUR_MS,
  planOf,
  policyOf,
  releaseOf,
  rollBackVerb,
  rolloutAfter,
  startedRollout,
  verbOf,
} from '../support/rollouts.ts';

const V10 = releaseOf('1.0.0');
const V11 = releaseOf('1.1.0', { rollbackTo: ['1.0.0'] });
const BACK = policyOf([
  [0, 10],
  [DAY_MS, 100],
]);

function sentBack(policy = BACK): Rollout {
  const rollout = startedRollout(V11);
  return rolloutAfter(rollout, rollBackVerb(rollout, V10, after(DAY_MS), policy));
}

function host(seed: number, version = '1.1.0') {
  return { id: `host-${seed}`, variant: V11.variant, arch: V11.arch, version, seed };
}

describe('a way back in waves', () => {
  it('lets hosts go as its own tide rises, from the moment of the verb', () => {
    const rollout = sentBack();
    const times = [DAY_MS, 1.5 * DAY_MS, 2 * DAY_MS].map((ms) => after(ms));
    expect(times.map((at) => ebbAt(rollout, at))).toEqual([0, 102, 2048]);
    expect(times.map((at) => tideAt(rollout, at))).toEqual([0, 0, 0]);
    const answers = times.map(
      (at) => decide(host(50), { rollouts: [rollout], rules: NO_RULES }, at).decision,
    );
    expect(answers).toEqual(['stay', 'update', 'update']);
  });

  it('says when a host will be let go', () => {
    const rollout = sentBack();
    const stay = decide(host(50), { rollouts: [rollout], rules: NO_RULES }, after(DAY_MS));
    if (stay.decision !== 'stay' || stay.eligibleAt === null) throw new Error('no instant');
    const before = new Date(stay.eligibleAt.getTime() - 1);
    expect(decide(host(50), { rollouts: [rollout], rules: NO_RULES }, before).decision).toBe(
      'stay',
    );
    expect(
      decide(host(50), { rollouts: [rollout], rules: NO_RULES }, stay.eligibleAt),
    ).toMatchObject({
      ...{ decision: 'update', direction: 'rollback', release: V10 },
    });
  });

  it('gives the release to nobody meanwhile', () => {
    expect(
      decide(host(0, '1.0.0'), { rollouts: [sentBack()], rules: NO_RULES }, after(DAY_MS)),
    ).toMatchObject({
      ...{ decision: 'stay', reason: 'up-to-date' },
    });
  });

  it('is paused, resumed and advanced like the way forward', () => {
    const rollout = sentBack();
    const at = after(1.5 * DAY_MS);
    const paused = rolloutAfter(rollout, verbOf('pause', rollout, at));
    expect(
      decide(host(0), { rollouts: [paused], rules: NO_RULES }, after(9 * DAY_MS)),
    ).toMatchObject({ reason: 'paused' });
    expect(legalVerbs(paused, at)).toEqual(['resume', 'advance', 'roll-back']);
    const resumed = rolloutAfter(paused, verbOf('resume', rollout, after(9 * DAY_MS)));
    expect([resumed.state, ebbAt(resumed, after(9 * DAY_MS))]).toEqual(['rolled-back', 102]);
    const advanced = rolloutAfter(resumed, verbOf('advance', rollout, after(9 * DAY_MS)));
    expect(ebbAt(advanced, after(9 * DAY_MS))).toBe(2048);
  });

  it('waits at a gate that asks for a person, and has none that asks for outcomes', () => {
    const gated = policyOf([
      [0, 10],
      [DAY_MS, 100, gateOf({ needsApproval: true })],
    ]);
    expect(
      decide(host(900), { rollouts: [sentBack(gated)], rules: NO_RULES }, after(9 * DAY_MS)),
    ).toMatchObject({
      reason: 'gate',
    });
    const judged = gateOf({ success: { percentage: 90, minimum: 1 } });
    expect(() => sentBack(policyOf([[0, 100, judged]]))).toThrow('way back');
    const halting = { ...BACK, halt: { percentage: 5, minimum: 1, rollBackTo: null } };
    expect(() => sentBack(halting)).toThrow('way back');
  });

  it('does not begin anew when the same is asked again', () => {
    const rollout = sentBack();
    expect(() =>
      rolloutAfter(rollout, rollBackVerb(rollout, V10, after(2 * DAY_MS), BACK)),
    ).toThrow('sends hosts back to 1.0.0 in these waves already');
  });

  it('may be hurried by another roll-back', () => {
    const rollout = sentBack();
    const at = after(DAY_MS + HOUR_MS);
    const hurried = rolloutAfter(rollout, rollBackVerb(rollout, V10, at));
    expect(ebbAt(hurried, at)).toBe(2048);
    expect(legalVerbs(hurried, at)).toEqual(['pause', 'roll-back']);
  });

  it('does not send a host on to a release that lets it go only later', () => {
    const V12 = releaseOf('1.2.0', { rollbackTo: ['1.1.0', '1.0.0'] });
    const newer = startedRollout(V12);
    const back = rolloutAfter(newer, rollBackVerb(newer, V11, after(DAY_MS)));
    const rollouts = [sentBack(), back];
    const to = (seed: number, ms: number) => {
      const answer = decide(
        host(seed, '1.2.0'),
        { rollouts: rollouts, rules: NO_RULES },
        after(ms),
      );
      return answer.decision === 'update' ? answer.release.version : null;
    };
    expect(to(50, DAY_MS)).toBe('1.1.0');
    expect(to(50, 2 * DAY_MS)).toBe('1.0.0');
  });

  it('is followed by an unmodified updog within 1 % of its line', () => {
    const rollout = sentBack();
    const text = compileManifest(planOf([rollout]), {
      published: ['1.0.0', '1.1.0'],
      now: after(DAY_MS + 1),
    });
    const manifest = parseManifest(text);
    expect(manifest.updates.map(({ version }) => version)).toEqual(['1.0.0']);
    for (const ms of [1.25, 1.5, 1.75].map((days) => days * DAY_MS)) {
      const taken = Array.from({ length: SEED_COUNT }, (_, seed) =>
        updateRequired(manifest, {
          ...{ variant: V11.variant, arch: V11.arch, running: '1.1.0', seed },
          ...{ now: BigInt(after(ms).getTime()) * 1_000_000n, versionLock: 'latest' },
          ignoreWaves: false,
        }),
      ).filter((update) => update?.version === '1.0.0');
      expect(Math.abs(taken.length - ebbAt(rollout, after(ms)))).toBeLessThanOrEqual(20);
    }
  });

  it('is not listed for updog while it is paused, and nobody else adopts the release', () => {
    const rollout = sentBack();
    const paused = rolloutAfter(rollout, verbOf('pause', rollout, after(1.5 * DAY_MS)));
    const text = compileManifest(planOf([paused]), { published: [], now: after(2 * DAY_MS) });
    expect(JSON.parse(text)).toMatchObject({ updates: [] });
  });

  describe('with an older release that is still given out', () => {
    const older = startedRollout(releaseOf('1.0.0'));
    const way = (rollbackTo: readonly string[]) => {
      const rollout = startedRollout(releaseOf('1.2.0', { rollbackTo }));
      const verb = rollBackVerb(rollout, releaseOf('1.1.0'), after(HOUR_MS));
      return rolloutAfter(rollout, verb);
    };
    const taken = (rollout: Rollout) => {
      const now = after(2 * HOUR_MS);
      const published = ['0.9.0', '1.0.0', '1.1.0', '1.2.0'];
      const text = compileManifest(planOf([older, rollout]), { published, now });
      return (running: string) =>
        updateRequired(parseManifest(text), {
          ...{ variant: V11.variant, arch: V11.arch, running, seed: 7 },
          ...{ now: BigInt(now.getTime()) * 1_000_000n, versionLock: 'latest' },
          ignoreWaves: false,
        })?.version;
    };

    it('leads no updog to it whose release may not go back there', () => {
      const waiting = { ...way(['1.1.0']), clockMs: -DAY_MS };
      expect(taken(waiting)('1.2.0')).toBeUndefined();
      expect(taken(way(['1.1.0']))('1.2.0')).toBe('1.1.0');
    });

    it('leads no updog to it while the way back is paused', () => {
      const rollout = way(['1.1.0', '1.0.0']);
      const paused = rolloutAfter(rollout, verbOf('pause', rollout, after(1.5 * HOUR_MS)));
      expect(taken(paused)('1.2.0')).toBeUndefined();
      expect(taken(paused)('0.9.0')).toBe('1.0.0');
    });
  });
});

describe('supersede', () => {
  const old = startedRollout(V10, {
    policy: policyOf([
      [0, 50],
      [DAY_MS, 100],
    ]),
  });
  const newer = (
    policy = policyOf([
      [0, 80],
      [DAY_MS, 100],
    ]),
  ) => startedRollout(V11, { policy });

  it('ends a rollout when a newer one lets through as many hosts', () => {
    const at = after(HOUR_MS);
    const [ended, kept] = applyVerb([old, newer()], verbOf('supersede', old, at));
    expect([ended?.state, kept?.state]).toEqual(['superseded', 'running']);
    expect(ended === undefined ? [] : legalVerbs(ended, at)).toEqual(['roll-back']);
  });

  it.each([
    { case: 'none is newer', others: [] },
    {
      case: 'the newer one lets fewer through',
      others: [
        newer(
          policyOf([
            [0, 10],
            [DAY_MS, 100],
          ]),
        ),
      ],
    },
    {
      case: 'the newer one has a barrier',
      others: [startedRollout(releaseOf('1.1.0', { minimumFrom: '0.9.0' }))],
    },
    {
      case: 'the newer one is paused',
      others: [rolloutAfter(newer(), verbOf('pause', newer(), after(1)))],
    },
    {
      case: 'the newer one shuffles its seeds',
      others: [startedRollout(V11, { seeds: 'shuffled' })],
    },
  ])('is refused when $case', ({ others }) => {
    const verb = verbOf('supersede', old, after(HOUR_MS));
    expect(() => applyVerb([old, ...others], verb)).toThrow(
      'no running rollout of a newer release',
    );
  });

  const at = after(2 * HOUR_MS);
  const supersede = (rules: string, ...others: readonly Rollout[]) =>
    applyVerb([old, ...others], verbOf('supersede', old, at), parseFleetFile(rules, 'toml'))[0];

  it.each([
    {
      case: 'a group is locked to the older release',
      rules: "[[groups]]\nname = 'db'\nversions = '~1.0'",
      who: 'of group db',
    },
    { case: 'a host is pinned to it', rules: "[pins]\ndb-1 = '1.0.0'", who: 'host db-1 is pinned' },
    {
      case: 'the newer release is a dead end',
      rules: "[[dead_ends]]\nversions = '1.1.0'\nreason = 'lost keys'",
      who: 'no running rollout',
    },
    {
      case: 'a delayed group is further behind the newer one',
      rules: "[[groups]]\nname = 'late'\ndelay = '1 hour'",
      who: 'of group late',
      others: [startedRollout(V11, { at: after(1.5 * HOUR_MS), startAt: after(1.5 * HOUR_MS) })],
    },
  ])('is refused when $case', ({ rules, who, others = [newer()] }) => {
    expect(() => supersede(rules, ...others)).toThrow(who);
  });

  it('is legal where hosts that the rules hold get another newer release, or never got the older', () => {
    const rules = (range: string) => `[[groups]]\nname = 'db'\nversions = '${range}'`;
    const patch = startedRollout(releaseOf('1.0.1'));
    expect(supersede(rules('~1.0'), newer(), patch)?.state).toBe('superseded');
    expect(supersede(rules('<1.0'), newer())?.state).toBe('superseded');
  });
});
