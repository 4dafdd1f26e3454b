import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { compileManifest, nextListingAt } from '../../core/compile.ts';
import { compileWaves } from '../../core/compiled-waves.ts';
import type { RunningRollout } from '../../core/compiled-waves.ts';
import { ManifestError, parseAuditHead, parseManifest } from '../../core/manifest.ts';
import { curveOf } from '../../core/curve.ts';
import type { Rollout } from '../../core/rollout.ts';
import { parseManifest as readAsUpdog } from '../../core/bottlerocket/manifest.ts';
import { updateReady } from '../../core/bottlerocket/update-ready.ts';
import { updateRequired } from '../../core/bottlerocket/update-required.ts';
import { findMigrations } from '../../core/bottlerocket/migrations.ts';
import { SEED_COUNT } from '../../core/seed.ts';
import { tideAt } from '../../core/tide.ts';
import {
  after,
  DAY_MS,
  DEFAULT_WAVES,
  gateOf,
  HOUR_MS,
  policies,
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
const V12 = releaseOf('1.2.0', { rollbackTo: ['1.1.0'] });
const PUBLISHED = ['1.0.0', '1.1.0', '1.2.0'];
const NS = 1_000_000n;

function running(rollout: Rollout): RunningRollout {
  const { runningSince } = rollout;
  if (runningSince === null) throw new Error('the rollout does not run');
  return { ...rollout, runningSince };
}

function compiled(rollouts: readonly Rollout[], now: Date) {
  return readAsUpdog(compileManifest(planOf(rollouts), { published: PUBLISHED, now }));
}

/** What an unmodified updog would install, by the port of its selection. */
function updogTakes(rollouts: readonly Rollout[], version: string, now: Date, seed = 0) {
  const update = updateRequired(compiled(rollouts, now), {
    variant: 'aws-k8s-1.32',
    arch: 'x86_64',
    running: version,
    seed,
    now: BigInt(now.getTime()) * NS,
    versionLock: 'latest',
    ignoreWaves: false,
  });
  return update?.version ?? null;
}

/** At each of these instants updog lets through as many seeds as the tide, give or take 1 % of all. */
function expectNearTide(rollout: RunningRollout, atMs: readonly number[]): void {
  const update = { waves: [...compileWaves(rollout)] };
  // Seed 0 never waits: before the first opening the update is not listed at all.
  const listedFrom = rollout.policy.waves[0]?.opensAtMs ?? 0;
  for (const ms of atMs.filter((each) => each >= listedFrom)) {
    const now = BigInt(after(ms).getTime()) * NS;
    let through = 0;
    for (let seed = 0; seed < SEED_COUNT; seed += 1) {
      if (updateReady(update, seed, now)) through += 1;
    }
    expect(Math.abs(through - tideAt(rollout, after(ms)))).toBeLessThanOrEqual(SEED_COUNT / 100);
  }
}

describe('compileWaves', () => {
  it('keeps updog within 1 % of the tide at every instant, for any policy', () => {
    const moments = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), {
      minLength: 6,
      maxLength: 6,
    });
    fc.assert(
      fc.property(policies(), moments, (policy, fractions) => {
        const rollout = running(startedRollout(V11, { policy }));
        const vertices = curveOf(policy).points.map(({ atMs }) => atMs);
        const endMs = (vertices.at(-1) ?? 0) + DAY_MS;
        expectNearTide(rollout, [
          ...vertices.flatMap((atMs) => [atMs - 1, atMs, atMs + 1]),
          ...fractions.map((part) => Math.floor(part * endMs)),
        ]);
      }),
      { seed: 8, numRuns: 150 },
    );
  });

  it.each([
    { case: 'from the start', soakMs: 0 },
    { case: 'after a soak', soakMs: 40 },
  ])('follows a tide that rises by hundreds of seeds a millisecond, $case', ({ soakMs }) => {
    const policy = policyOf([
      [1, 1],
      [2, 30, gateOf({ soakMs })],
      [3, 60],
      [4, 100],
    ]);
    const everyMs = Array.from({ length: 50 }, (_, index) => index + 1);
    expectNearTide(running(startedRollout(V11, { policy })), everyMs);
  });

  it('opens later and later along rising bounds, as pubsys demands', () => {
    fc.assert(
      fc.property(policies(), (policy) => {
        const waves = [...compileWaves(running(startedRollout(V11, { policy })))];
        waves.slice(1).forEach(([bound, at], index) => {
          const [boundBefore, before] = waves[index] ?? [0, 0n];
          expect(bound).toBeGreaterThan(boundBefore);
          expect(at > before).toBe(true);
        });
      }),
      { seed: 9, numRuns: 300 },
    );
  });

  it('has no wave for everyone at once but the instant itself', () => {
    const waves = compileWaves(running(startedRollout(V11, { startAt: after(HOUR_MS) })));
    expect([...waves]).toEqual([[0, BigInt(after(HOUR_MS).getTime()) * NS]]);
  });

  it('stays so close that the time library of updog cannot overflow', () => {
    const waves = [...compileWaves(running(startedRollout(V11, { policy: policyOf([[0, 99]]) })))];
    const never = waves.at(-1)?.[1] ?? 0n;
    const start = waves[0]?.[1] ?? 0n;
    const latest = start + (never - start) * 2048n;
    expect(latest < BigInt(Date.UTC(262_000, 0, 1)) * NS).toBe(true);
  });
});

describe('compileManifest', () => {
  it('comes back as the same rollouts when it is read', () => {
    const rollout = startedRollout(V11, { policy: DEFAULT_WAVES });
    const other = startedRollout(V12, {
      policy: policyOf([[0, 50, gateOf({ needsApproval: true })]]),
    });
    const rollouts = [
      rolloutAfter(
        rollout,
        verbOf('pause', rollout, after(HOUR_MS)),
        rollBackVerb(rollout, V10, after(DAY_MS)),
      ),
      other,
    ];
    const text = compileManifest(planOf(rollouts), { published: PUBLISHED, now: after(DAY_MS) });
    expect(parseManifest(text).rollouts).toEqual(rollouts);
    expect(compileManifest(parseManifest(text), { published: PUBLISHED, now: after(DAY_MS) })).toBe(
      text,
    );
  });

  it('leads updog forward when its seed is ready', () => {
    const rollouts = [startedRollout(V11, { policy: DEFAULT_WAVES })];
    expect(updogTakes(rollouts, '1.0.0', after(DAY_MS), 50)).toBe('1.1.0');
    expect(updogTakes(rollouts, '1.0.0', after(DAY_MS), 500)).toBeNull();
    expect(updogTakes(rollouts, '1.0.0', after(6 * DAY_MS), 2047)).toBe('1.1.0');
  });

  it('lists nothing before the start, so that seed 0 waits too', () => {
    const rollouts = [startedRollout(V11, { policy: DEFAULT_WAVES })];
    expect(updogTakes(rollouts, '1.0.0', after(HOUR_MS - 1))).toBeNull();
    expect(updogTakes(rollouts, '1.0.0', after(HOUR_MS))).toBe('1.1.0');
    expect(nextListingAt(rollouts, after(0))).toEqual(after(HOUR_MS));
    expect(nextListingAt(rollouts, after(HOUR_MS))).toBeNull();
  });

  it('does not list a release that waits at the gate of its first wave', () => {
    const rollouts = [
      startedRollout(V11, { policy: policyOf([[0, 50, gateOf({ needsApproval: true })]]) }),
    ];
    expect(updogTakes(rollouts, '1.0.0', after(DAY_MS))).toBeNull();
    expect(nextListingAt(rollouts, after(-1))).toBeNull();
  });

  it.each(['pause', 'withdraw'] as const)('stops adopters and sends nobody back on %s', (kind) => {
    const base = startedRollout(V10);
    const rollout = startedRollout(V11);
    const rollouts = [base, rolloutAfter(rollout, verbOf(kind, rollout, after(1)))];
    expect(updogTakes(rollouts, '1.0.0', after(2))).toBeNull();
    expect(updogTakes(rollouts, '1.1.0', after(2))).toBeNull();
  });

  it.each([
    { case: 'that was rolled out', before: [startedRollout(V10)] },
    { case: 'that never had a rollout', before: [] },
  ])('sends hosts back on a roll back to a release $case', ({ before }) => {
    const rollout = startedRollout(V11);
    const rollouts = [...before, rolloutAfter(rollout, rollBackVerb(rollout, V10, after(1)))];
    expect(updogTakes(rollouts, '1.1.0', after(2), 2047)).toBe('1.0.0');
    expect(updogTakes(rollouts, '1.0.0', after(2), 2047)).toBeNull();
  });

  it('gives a resumed rollout its remaining waves, shifted by the pause', () => {
    const rollout = startedRollout(V11, { policy: DEFAULT_WAVES });
    const resumed = rolloutAfter(
      rollout,
      verbOf('pause', rollout, after(DAY_MS)),
      verbOf('resume', rollout, after(11 * DAY_MS)),
    );
    expect(updogTakes([resumed], '1.0.0', after(11 * DAY_MS), 500)).toBeNull();
    expect(updogTakes([resumed], '1.0.0', after(16 * DAY_MS), 2047)).toBe('1.1.0');
    expect(updogTakes([resumed], '1.0.0', after(16 * DAY_MS - 1), 2047)).toBeNull();
  });

  it('holds one chain of migrations from every published version to every newer one', () => {
    const other = releaseOf('1.1.5', { variant: 'metal', migrations: ['migrate_v1.1.5_a.lz4'] });
    const { migrations } = compiled([startedRollout(V12), startedRollout(other)], after(1));
    expect(findMigrations(migrations, '1.0.0', '1.2.0')).toEqual(['migrate_v1.1.5_a.lz4']);
    expect(findMigrations(migrations, '1.1.5', '1.2.0')).toEqual([]);
  });

  it('leaves out a release without the three images that updog demands', () => {
    const odd = releaseOf('1.1.0', { images: { root: 'aws-k8s-1.32-x86_64-1.1.0-root' } });
    expect(compiled([startedRollout(odd)], after(1)).updates).toEqual([]);
  });

  it('names document and curve in each update, after the keys of Bottlerocket', () => {
    const rollout = startedRollout(V11, {
      policy: policyOf([
        [0, 50],
        [HOUR_MS, 100],
      ]),
    });
    const text = compileManifest(planOf([rollout]), { published: PUBLISHED, now: after(0) });
    const { updates } = JSON.parse(text);
    expect(Object.keys(updates[0])).toEqual([
      'variant',
      'arch',
      'version',
      'max_version',
      'waves',
      'images',
      'release',
      'tide',
    ]);
    expect(updates[0].tide).toEqual([
      ['2026-03-01T12:00:00Z', 0],
      ['2026-03-01T13:00:00Z', 1024],
      ['2026-03-01T13:00:00Z', 2048],
    ]);
  });

  it('names the head of the audit log behind everything that hosts read, and updog ignores it', () => {
    const rollouts = [startedRollout(V11, { policy: DEFAULT_WAVES })];
    const context = { published: PUBLISHED, now: after(DAY_MS) };
    const auditHead = { sequence: 57, hash: 'a'.repeat(64) };
    const text = compileManifest(planOf(rollouts), { ...context, auditHead });
    const without = compileManifest(planOf(rollouts), context);
    expect(Object.keys(JSON.parse(text))).toEqual(['updates', 'migrations', 'rollouts', 'audit']);
    expect(parseAuditHead(text)).toEqual(auditHead);
    expect(parseAuditHead(without)).toBeNull();
    expect(readAsUpdog(text)).toEqual(readAsUpdog(without));
    expect(parseManifest(text)).toEqual(planOf(rollouts));
  });

  it('is byte for byte the empty manifest without rollouts', () => {
    expect(compileManifest(planOf([]), { published: [], now: after(0) })).toBe(
      '{\n  "updates": [],\n  "migrations": {},\n  "rollouts": []\n}',
    );
  });
});

describe('parseManifest', () => {
  it('reads a manifest of Bottlerocket, which has no rollouts', () => {
    expect(parseManifest('{"updates":[],"migrations":{}}')).toEqual(planOf([]));
  });

  it.each([
    { case: 'no JSON', text: '{' },
    { case: 'the same key twice', text: '{"rollouts":[],"rollouts":[]}' },
    { case: 'a running rollout without its instant', text: '{"rollouts":[{"state":"running"}]}' },
  ])('refuses $case', ({ text }) => {
    expect(() => parseManifest(text)).toThrow(ManifestError);
  });
});

describe('parseAuditHead', () => {
  it.each([
    { case: 'no JSON', text: '{' },
    { case: 'a sequence without a hash', text: '{"audit":{"sequence":1}}' },
    { case: 'a hash that is none', text: '{"audit":{"sequence":1,"hash":"abc"}}' },
    {
      case: 'a sequence that leaves no room for the next',
      text: `{"audit":{"sequence":9007199254740991,"hash":"${'a'.repeat(64)}"}}`,
    },
  ])('refuses $case', ({ text }) => {
    expect(() => parseAuditHead(text)).toThrow(ManifestError);
  });
});
