import type { SlotsProgram } from '../command-program.ts';
import type { ProgramState } from '../command-protocol.ts';
import { BOOT_CHECKS } from './boot-checks.ts';
import type { Check, Subject } from './check.ts';
import { CONTENT_CHECKS } from './content-checks.ts';
import { ConformanceError, must } from './errors.ts';
import { KILL_CHECKS } from './kill-checks.ts';
import { Probe } from './probe.ts';
import { PROTOCOL_CHECKS } from './protocol-checks.ts';
import { empty, isSame } from './steps.ts';

export type CheckResult = {
  readonly name: string;
  readonly duty: string;
  readonly result: 'passed' | 'failed' | 'not-run';
  /** Why it failed, or was not run. */
  readonly why: string | null;
};

const LAST = {
  name: 'leaves-the-running-slot-alone',
  duty: 'whatever was asked of the other slot, the running one has the seal and the bytes that it had',
};

/** The names of all checks, in their order. */
export const CHECK_NAMES: readonly string[] = [...allChecks(), LAST].map(({ name }) => name);

/**
 * Checks a program that drives slots against what docs/slots.md asks of it. Destructive: what the slot that does not run holds
 * is lost, and where neither runs what both hold. Yields each result as it is known.
 */
export async function* checkConformance(
  program: SlotsProgram,
  {
    images,
    only = CHECK_NAMES,
  }: { readonly images: readonly [string, string]; readonly only?: readonly string[] },
): AsyncGenerator<CheckResult, void, undefined> {
  const probe = new Probe(program);
  const before = await attempted(() => probe.state());
  if (before.why !== null) {
    for (const check of [...allChecks(), LAST]) {
      const isState = check.name === 'state-is-well-formed';
      if (!only.includes(check.name)) continue;
      yield resultOf(
        check,
        isState ? 'failed' : 'not-run',
        isState ? before.why : 'there is no state',
      );
    }
    return;
  }
  const { running } = before.value;
  const subject = { probe, images, running, slot: running === 'a' ? 'b' : 'a' } as const;
  const hashes = await attempted(() => runningHashes(subject, before.value));
  for (const check of allChecks()) {
    if (only.includes(check.name)) yield run(check, subject);
  }
  if (only.includes(LAST.name)) {
    yield running === null
      ? resultOf(LAST, 'not-run', 'neither slot runs')
      : resultFrom(
          LAST,
          await attempted(async () => {
            must(hashes.why === null, hashes.why ?? '');
            const after = await runningHashes(subject, await probe.state());
            must(isSame(after, hashes.value), `slot ${running} was changed`);
          }),
        );
  }
  // Nothing that a boot loader could take is left behind.
  await attempted(() => empty(subject));
}

function allChecks(): readonly Check[] {
  return [...PROTOCOL_CHECKS, ...CONTENT_CHECKS, ...BOOT_CHECKS, ...KILL_CHECKS];
}

async function run(check: Check, subject: Subject): Promise<CheckResult> {
  if (check.needsRunning === true && subject.running === null) {
    return resultOf(check, 'not-run', 'neither slot runs');
  }
  return resultFrom(check, await attempted(() => check.run(subject)));
}

/** The seal of the running slot, and the SHA-256 of every image in it. */
async function runningHashes({ probe, running }: Subject, { slots }: ProgramState) {
  if (running === null) return null;
  const { seal, images } = slots[running];
  const hashes: Record<string, string> = {};
  for (const [image, size] of Object.entries(images)) {
    hashes[image] = await probe.hashOf(running, image, size);
  }
  return { seal, images, hashes };
}

type Attempted<T> =
  { readonly why: null; readonly value: T } | { readonly why: string; readonly value: null };

async function attempted<T>(work: () => Promise<T>): Promise<Attempted<T>> {
  try {
    return { why: null, value: await work() };
  } catch (error) {
    if (!(error instanceof ConformanceError)) throw error;
    return { why: error.message, value: null };
  }
}

function resultFrom(check: Pick<Check, 'name' | 'duty'>, { why }: Attempted<unknown>): CheckResult {
  return resultOf(check, why === null ? 'passed' : 'failed', why);
}

function resultOf(
  { name, duty }: Pick<Check, 'name' | 'duty'>,
  result: CheckResult['result'],
  why: string | null,
): CheckResult {
  return { name, duty, result, why };
}
