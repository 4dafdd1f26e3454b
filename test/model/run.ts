import fc from 'fast-check';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { FleetModel } from './fleet-model.ts';
import { checkAtEnd } from './inspect.ts';
import { makeHosts, STEPS } from './steps.ts';
import { makeBeginning, World } from './world.ts';

export type RunResult = {
  readonly steps: number;
  readonly runs: number;
  readonly seed: number;
  /** How often what was met. */
  readonly seen: Readonly<Record<string, number>>;
  /** The steps that violate the property, and how; null if none were found. */
  readonly violation: string | null;
  /** After how many steps the first violation was met. */
  readonly foundAfter: number | null;
};

/** The longest life of one fleet; most are about half of it. */
const MOST_STEPS = 300;

/** Lives of fleets, one after the other, until so many steps were taken or one violates the property. */
export async function runModel(options: {
  readonly steps: number;
  readonly seed: number;
  /** Looks for a shorter way to a violation, which takes a while. */
  readonly shortens?: boolean;
  readonly onRun?: (stepsSoFar: number) => void;
}): Promise<RunResult> {
  const { seed, shortens = true, onRun = () => {} } = options;
  await using folder = await temporaryFolder();
  const beginning = await makeBeginning();
  const seen = new Map<string, number>();
  let runs = 0;
  /** Set by the first violation; the runs after it look for fewer steps that fail too. */
  let foundAfter: number | null = null;
  const property = fc.asyncProperty(
    fc.commands(STEPS, { maxCommands: MOST_STEPS, size: 'max' }),
    async (steps) => {
      fc.pre(foundAfter !== null || (seen.get('step') ?? 0) < options.steps);
      runs += 1;
      await using world = await World.open(beginning, folder.path, `run-${runs}`);
      const model = new FleetModel(world.clock.now.getTime(), makeHosts());
      world.onRestart = () => {
        model.isAway = false;
        for (const { standings } of model.rollouts) standings.crashed();
      };
      try {
        await fc.asyncModelRun(() => ({ model, real: world }), steps);
        await checkAtEnd(model, world);
      } catch (error) {
        foundAfter ??= (seen.get('step') ?? 0) + (world.seen.get('step') ?? 0);
        throw error;
      } finally {
        for (const [what, count] of world.seen) seen.set(what, (seen.get(what) ?? 0) + count);
      }
      onRun(seen.get('step') ?? 0);
    },
  );
  // The first run that is left out for having had enough steps ends it.
  const details = await fc.check(property, {
    maxSkipsPerRun: 0,
    seed,
    numRuns: options.steps,
    endOnFailure: !shortens,
  });
  const violation = details.counterexample === null ? null : reportOf(details);
  return {
    ...{ steps: seen.get('step') ?? 0, runs, seed, violation, foundAfter },
    seen: Object.fromEntries([...seen].toSorted(([a], [b]) => (a < b ? -1 : 1))),
  };
}

function reportOf<T>(details: fc.RunDetails<T>): string {
  const { errorInstance } = details;
  const cause = errorInstance instanceof Error ? (errorInstance.stack ?? '') : '';
  return `${fc.defaultReportMessage(details) ?? ''}\n${cause}`;
}
