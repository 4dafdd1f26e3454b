import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Counter, Gauge, Registry } from 'prom-client';
import { formatMetrics } from '../../agent/exposition.ts';
import type { Family } from '../../agent/exposition.ts';

const label = fc.string({ unit: fc.constantFrom('a', '"', '\\', '\n', ' ', '}', 'ü') });
const family = (name: string): fc.Arbitrary<Family> =>
  fc.record({
    name: fc.constant(name),
    help: fc.string({ unit: fc.constantFrom('a', '"', '\\', '\n', ' ') }).map((help) => `x${help}`),
    kind: fc.constantFrom('gauge', 'counter'),
    samples: fc.uniqueArray(
      fc.record({
        labels: fc.record({ one: label, other: label }),
        value: fc.double({ min: 0, max: 1e15, noNaN: true }),
      }),
      { minLength: 1, maxLength: 3, selector: ({ labels }) => JSON.stringify(labels) },
    ),
  });

/** What the library of the server makes of it. */
async function byLibrary(families: readonly Family[]): Promise<string> {
  const registry = new Registry();
  for (const { name, help, kind, samples } of families) {
    const options = { name, help, labelNames: ['one', 'other'], registers: [registry] };
    const metric = kind === 'gauge' ? new Gauge(options) : new Counter(options);
    for (const { labels, value } of samples) metric.inc(labels, value);
  }
  return registry.metrics();
}

const lines = (text: string) => text.split('\n').filter((line) => line !== '');

describe('formatMetrics', () => {
  it('writes what a library for it writes, whatever the texts hold', async () => {
    const families = fc.tuple(family('first'), family('second'));
    await fc.assert(
      fc.asyncProperty(families, async (some) => {
        expect(lines(formatMetrics(some))).toEqual(lines(await byLibrary(some)));
      }),
      { seed: 1, numRuns: 200 },
    );
  });

  it('says nothing of what has no samples', () => {
    const empty = { name: 'a', help: 'b', kind: 'gauge', samples: [] } as const;
    expect(formatMetrics([empty])).toBe('');
  });
});
