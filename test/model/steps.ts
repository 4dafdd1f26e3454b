import fc from 'fast-check';
import type { Fault } from '../support/mortal.ts';
import { faultyStep, killStep, meanwhileStep, outageStep, passStep } from './fault-steps.ts';
import type { TryEnd } from './host-steps.ts';
import { pollStep, replaceStep, resendStep, tryStep } from './host-steps.ts';
import { inspectStep } from './inspect.ts';
import { JOBS, jobStep, judgeStep } from './job-steps.ts';
import { HOUR_MS, VERSIONS } from './policy.ts';
import type { PolicySpec } from './policy.ts';
import type { PersonVerb } from './rollout-model.ts';
import { GROUPS } from './rules.ts';
import type { Step } from './step.ts';
import {
  foreignStep,
  repeatStep,
  rollBackStep,
  rulesStep,
  startStep,
  verbStep,
} from './verb-steps.ts';

const HOSTS = 12;
/** Every seed here is met as the first or the last one of some wave. */
const SEEDS = [0, 1, 20, 204, 205, 511, 512, 1023, 1024, 1535, 2046, 2047];

/** The hosts of a run: on the first three releases, spread over the queue and the groups. */
export function makeHosts() {
  return SEEDS.map((seed, index) => ({
    id: `host-${index}`,
    seed,
    group: [null, null, ...GROUPS][index % 5] ?? null,
    version: VERSIONS[[0, 0, 1, 2][index % 4] ?? 0] ?? '',
    offer: null,
    failed: null,
    unsent: [],
    sent: [],
  }));
}

const tryEnd = fc.constantFrom<TryEnd>('well', 'well', 'in vain', 'in vain for good');

const host = fc.nat(HOSTS - 1);
const version = fc.constantFrom(...VERSIONS);
const newVersion = fc.constantFrom(...VERSIONS.slice(1));
// Those that hosts can reach come first, or nothing would ever happen.
const started = fc.constantFrom('1.1.0', '1.1.0', '1.2.0', '1.2.0', '1.2.0', '1.3.0', '1.4.0');
// Mostly the newest, for which something can be done.
const pick = fc.oneof({ weight: 4, arbitrary: fc.nat(1) }, { weight: 1, arbitrary: fc.nat(8) });
const verb = fc.constantFrom<PersonVerb>(
  ...(['pause', 'pause', 'pause', 'resume', 'resume', 'resume', 'resume'] as const),
  ...(['advance', 'advance', 'advance', 'advance', 'approve', 'approve'] as const),
  ...(['retry', 'retry', 'withdraw', 'supersede'] as const),
);

const wave = fc.record({
  gapHours: fc.integer({ min: 1, max: 12 }),
  share: fc.constantFrom(1, 9, 15, 25, 50),
  soakHours: fc.constantFrom(0, 0, 0, 3),
  success: fc.option(
    fc.record({
      percentage: fc.constantFrom(50, 80, 100),
      minimum: fc.integer({ min: 1, max: 3 }),
    }),
    { freq: 2 },
  ),
  approval: fc.constantFrom(false, false, true),
});

const policy: fc.Arbitrary<PolicySpec> = fc
  .record({
    waves: fc.array(wave, { minLength: 1, maxLength: 4 }),
    startsAtOnce: fc.boolean(),
    rampHours: fc.constantFrom(0, 0, 5),
    halt: fc.option(
      fc.record({
        percentage: fc.constantFrom(30, 50),
        minimum: fc.integer({ min: 1, max: 2 }),
        backTo: fc.option(fc.constantFrom('1.0.0', '1.0.0', '1.1.0', '1.2.0'), { freq: 3 }),
      }),
      { freq: 4 },
    ),
    outcomeWithinHours: fc.option(fc.constantFrom(2, 10), { freq: 2 }),
  })
  .map(({ waves, startsAtOnce, ...rest }) => {
    let afterHours = startsAtOnce ? -(waves[0]?.gapHours ?? 0) : 0;
    let percent = 0;
    return {
      ...rest,
      waves: waves.map(({ gapHours, share, ...gate }) => {
        afterHours += gapHours;
        percent = Math.min(100, percent + share);
        return { ...gate, afterHours, percent };
      }),
    };
  })
  .filter(({ waves }) =>
    waves.every((one, index) => one.percent > (waves[index - 1]?.percent ?? 0)),
  );

/** As a way back has it: without conditions on outcomes. */
const backPolicy = policy.map((one) => ({
  ...one,
  halt: null,
  outcomeWithinHours: null,
  waves: one.waves.map((each) => ({ ...each, success: null })),
}));

const rules = fc.record({
  groups: fc.subarray([...GROUPS]),
  pin: fc.option(fc.record({ host: fc.constantFrom('host-0', 'host-6'), version }), { freq: 2 }),
  exclude: fc.option(fc.constantFrom('host-1', 'host-7'), { freq: 2 }),
  deadEnd: fc.option(newVersion, { freq: 3 }),
  freeze: fc.option(
    fc.record({
      fromMs: fc.integer({ min: -5, max: 5 }),
      toMs: fc.integer({ min: 6, max: 20 }),
      group: fc.option(fc.constantFrom(...GROUPS)),
    }),
    { freq: 3 },
  ),
});

const start = fc
  .tuple(started, fc.option(policy, { freq: 5 }), fc.constantFrom(0, 0, 0, 2))
  .map((args) => startStep(...args));
const order = fc.oneof(
  { weight: 4, arbitrary: start },
  { weight: 8, arbitrary: fc.tuple(verb, pick).map((args) => verbStep(...args)) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(pick, version, fc.option(backPolicy, { freq: 2 }))
      .map((args) => rollBackStep(...args)),
  },
  { weight: 1, arbitrary: rules.map(rulesStep) },
  { weight: 1, arbitrary: fc.nat(1000).map(repeatStep) },
  { weight: 1, arbitrary: fc.tuple(verb, pick).map((args) => foreignStep(...args)) },
);
const life = fc.oneof(
  { weight: 9, arbitrary: host.map(pollStep) },
  {
    weight: 12,
    arbitrary: fc
      .tuple(host, tryEnd, fc.constantFrom(0, 0, 0, -3, 2))
      .map((args) => tryStep(...args)),
  },
  { weight: 1, arbitrary: host.map(resendStep) },
  {
    weight: 5,
    arbitrary: fc
      .tuple(host, fc.constantFrom('1.0.0', '1.1.0', '1.1.0', '1.2.0'))
      .map((args) => replaceStep(...args)),
  },
);
const job = fc.constantFrom(...JOBS).map(jobStep);
const judge = fc.constant(null).map(judgeStep);

const fault: fc.Arbitrary<Fault> = fc.record({
  n: fc.integer({ min: 1, max: 7 }),
  phase: fc.constantFrom('before', 'after'),
  kind: fc.constantFrom('kill', 'kill', 'fail'),
});
const faultAtStart = fc.option(
  fault.map((one) => ({ ...one, kind: 'kill' as const })),
  { freq: 2 },
);
const faulty = fc
  .tuple(fc.oneof(order, life, job, judge), fault, faultAtStart)
  .map((args) => faultyStep(...args));
const meanwhile = fc
  .tuple(job, fc.integer({ min: 1, max: 6 }), fc.oneof(order, host.map(pollStep)))
  .filter(([, , inner]) => !inner.name.includes('past the server'))
  .map((args) => meanwhileStep(...args));

const passing = fc
  .oneof(
    fc.integer({ min: 1, max: 90 * 60_000 }),
    fc.integer({ min: 1, max: 14 }).map((hours) => hours * HOUR_MS),
  )
  .map(passStep);
const outage = fc.oneof(
  fc.constantFrom('storage' as const, 'database' as const).map((what) => outageStep(what, true)),
  fc.constantFrom('storage' as const, 'database' as const).map((what) => outageStep(what, false)),
  fc.constantFrom('storage' as const, 'database' as const).map((what) => outageStep(what, false)),
);
const trouble = fc.oneof(
  { weight: 6, arbitrary: faulty },
  { weight: 2, arbitrary: meanwhile },
  { weight: 1, arbitrary: fc.constant(null).map(killStep) },
  { weight: 2, arbitrary: outage },
);

/** Everything that may happen, each as often as it stands here. */
export const STEPS: fc.Arbitrary<Step>[] = [
  ...[order, order, order, order],
  ...[life, life, life, life, life, life, life, life, life, life, life],
  ...[job, judge, judge, trouble, trouble, passing, passing, passing, passing],
  fc.oneof(fc.constant(null).map(inspectStep), passing),
];
