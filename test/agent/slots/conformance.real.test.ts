import { describe, expect, it } from '@jest/globals';
import { CHECK_NAMES, checkConformance } from '../../../agent/slots/conformance/run.ts';
import { FAULTS } from './faulty-programs.ts';
import type { Fault } from './faulty-programs.ts';
import { install } from './install.ts';
import { sampleRelease } from './releases.ts';
import { changedExample, systemdBootHost } from './systemd-boot-host.ts';

const TIMEOUT_MS = 20_000;

/** A host that runs 1.0.0 from slot A, and a program for it: the good one, or a copy in which one text is another. */
async function hostWith({ line, instead }: Pick<Fault, 'line' | 'instead'>) {
  const stack = new AsyncDisposableStack();
  const host = stack.use(await systemdBootHost());
  await install(host.slots(), sampleRelease('1.0.0'));
  expect(await host.boot()).toBe('a');
  const { script } = stack.use(await changedExample(line, instead));
  const [, ...args] = host.program;
  const program = [script, ...args] as const;
  return { host, program, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

async function resultsOf(
  program: readonly [string, ...string[]],
  options: { readonly only?: readonly string[]; readonly timeoutMs?: number } = {},
) {
  const { timeoutMs = TIMEOUT_MS, only = CHECK_NAMES } = options;
  const images = ['boot', 'root'] as const;
  return Array.fromAsync(checkConformance({ program, timeoutMs }, { images, only }));
}

describe('checkConformance', () => {
  it.each(CHECK_NAMES)('finds nothing in a program that does its duties: %s', async (check) => {
    await using test = await hostWith({ line: '#!/bin/sh\n', instead: '#!/bin/sh\n' });
    expect(await resultsOf(test.program, { only: [check] })).toEqual([
      { name: check, duty: expect.any(String), result: 'passed', why: null },
    ]);
    const { active, inactive, nextToBoot } = await test.host.slots().read();
    expect([active?.release.version, inactive, nextToBoot]).toEqual(['1.0.0', null, 'active']);
  });

  it('finds nothing on a host that runs neither slot, and says what that kept it from', async () => {
    await using host = await systemdBootHost();
    const only = CHECK_NAMES.filter((name) => !name.startsWith('survives'));
    const results = await resultsOf(host.program, { only });
    expect(results.filter(({ result }) => result === 'failed')).toEqual([]);
    expect(results.flatMap(({ name, result }) => (result === 'not-run' ? [name] : []))).toEqual([
      'protects-what-runs',
      'leaves-the-running-slot-alone',
    ]);
  });

  it('has a faulty program for every check', () => {
    expect([...new Set(FAULTS.map(({ check }) => check))].toSorted()).toEqual(
      CHECK_NAMES.toSorted(),
    );
  });

  it.each(FAULTS)('finds a program that $fault', async ({ line, instead, check, timeoutMs }) => {
    await using test = await hostWith({ line, instead });
    // The last check sees what the others did to the running slot.
    const only = check === 'leaves-the-running-slot-alone' ? ['keeps-images', check] : [check];
    const results = await resultsOf(test.program, {
      only,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    });
    expect(results.filter(({ name }) => name === check)).toMatchObject([
      { name: check, result: 'failed' },
    ]);
  });
});
