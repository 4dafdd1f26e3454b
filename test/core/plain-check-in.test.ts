import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { checkInSchema } from '../../core/check-in.ts';
import { isPlainCheckIn } from '../../core/plain-check-in.ts';

const PLAIN = {
  host: {
    id: 'host-1',
    variant: 'aws-k8s-1.32',
    arch: 'x86_64',
    version: '1.0.0',
    seed: 7,
    group: 'canary',
    labels: { zone: 'a', '': 'b' },
  },
  state: 'idle',
};

/** Values as JSON.parse makes them, near the borders of what the schema takes. */
const names = fc.oneof(
  fc.string({ minLength: 1, maxLength: 20 }),
  fc.constantFrom(
    '',
    'a'.repeat(128),
    'a'.repeat(129),
    'München',
    'a\u0000',
    '\u{1f600}',
    '\ud800',
  ),
  fc.constantFrom<unknown>(null, 1, true, [], {}, undefined),
);
const versions = fc.oneof(
  fc.constantFrom('1.0.0', '1.10.3', '999999999.0.1', '18446744073709551615.0.0', '1.0.0-rc.1+b'),
  fc.constantFrom('1.0', 'v1.0.0', '01.0.0', '18446744073709551616.0.0', '1.0.0 ', '1.0.0\n'),
  fc.constantFrom(`1.0.0-${'a'.repeat(122)}`, `1.0.0-${'a'.repeat(123)}`),
  names,
);
const seeds = fc.constantFrom<unknown>(0, 2047, 2048, -1, -0, 0.5, '7', null, 1e300);
const labels = fc.oneof(
  fc.dictionary(
    fc.oneof(fc.string({ maxLength: 5 }), fc.constantFrom('__proto__', 'constructor', 'ä')),
    fc.oneof(fc.string({ maxLength: 5 }), fc.constantFrom('', 'x'.repeat(256), 'x'.repeat(257))),
    { maxKeys: 3 },
  ),
  names,
);
const states = fc.oneof(fc.constantFrom('idle', 'staged', 'fallen-back', 'confirmed'), names);

/** Mostly sound: each part is wrong now and then, is missing now and then, and now and then there is one too many. */
function mostly(good: unknown, other: fc.Arbitrary<unknown>) {
  return fc.oneof({ weight: 6, arbitrary: fc.constant(good) }, { weight: 1, arbitrary: other });
}

const hosts = fc
  .record(
    {
      id: mostly('host-1', names),
      variant: mostly('aws-k8s-1.32', names),
      arch: mostly('x86_64', names),
      version: mostly('1.0.0', versions),
      seed: mostly(7, seeds),
      group: mostly('canary', names),
      labels: mostly({ zone: 'a' }, labels),
    },
    { requiredKeys: ['id', 'variant', 'arch', 'version'] },
  )
  .chain((host) => mostly(host, fc.constantFrom<unknown>({ ...host, more: 1 }, withoutId(host))));
const checkIns = fc
  .record({ host: fc.oneof({ weight: 9, arbitrary: hosts }, names), state: mostly('idle', states) })
  .chain((whole) =>
    mostly(
      whole,
      fc.constantFrom<unknown>({ ...whole, reports: [] }, { ...whole, more: 1 }, [whole], null),
    ),
  );

function withoutId(host: object): object {
  return Object.fromEntries(Object.entries(host).filter(([key]) => key !== 'id'));
}

describe('isPlainCheckIn', () => {
  it('takes nothing that the schema refuses, and nothing that the schema would change', () => {
    let taken = 0;
    fc.assert(
      fc.property(checkIns, (made) => {
        // As it comes from the network.
        const value: unknown = JSON.parse(JSON.stringify(made));
        if (!isPlainCheckIn(value)) return;
        taken += 1;
        expect(checkInSchema.safeParse(value)).toEqual({ success: true, data: value });
      }),
      { seed: 1, numRuns: 20_000 },
    );
    expect(taken).toBeGreaterThan(1000);
  });

  it.each([
    { case: 'everything', value: { ...PLAIN, host: { ...PLAIN.host, labels: { zone: 'a' } } } },
    {
      case: 'no more than it must',
      value: {
        host: { id: 'host-1', variant: 'a', arch: 'b', version: '1.2.3-rc.1' },
        state: 'staged',
      },
    },
  ])('takes a check-in with $case', ({ value }) => {
    expect(isPlainCheckIn(value)).toBe(true);
  });

  it.each([
    { case: 'reports', value: { ...PLAIN, reports: [] } },
    { case: 'an empty name of a label', value: PLAIN },
    { case: 'a label named __proto__', value: JSON.parse('{"host":{"labels":{"__proto__":"a"}}}') },
    { case: 'a host that is a list', value: { host: [], state: 'idle' } },
    { case: 'nothing', value: null },
  ])('leaves $case to the schema', ({ value }) => {
    expect(isPlainCheckIn(value)).toBe(false);
  });
});
