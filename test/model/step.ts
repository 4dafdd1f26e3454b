import type fc from 'fast-check';
import type { FleetModel } from './fleet-model.ts';
import type { World } from './world.ts';

/** What happens to a fleet: done to the server and to the model, which must agree. */
export type Step = fc.AsyncCommand<FleetModel, World> & { readonly name: string };

type Act = (model: FleetModel, world: World) => Promise<void>;

/** What the property says is never to happen. */
export class Violation extends Error {}

export function stepOf(
  name: string,
  act: Act,
  isPossible: (model: Readonly<FleetModel>) => boolean = () => true,
): Step {
  return {
    check: isPossible,
    run: async (model, world) => {
      world.note('step');
      await act(model, world);
    },
    ...named(name),
  };
}

/** How a step is shown in a report. */
export function named(name: string): Pick<Step, 'name' | 'toString'> {
  return { name, toString: () => name };
}

export function hasRollouts({ rollouts }: Readonly<FleetModel>): boolean {
  return rollouts.length > 0;
}

/** Compares what the server says with what the model says; both as JSON, so that a difference can be read. */
export function demand(what: string, got: unknown, expected: unknown): void {
  const [is, ought] = [got, expected].map((value) => JSON.stringify(value));
  if (is !== ought) throw new Violation(`${what}: got ${is}, the model says ${ought}`);
}
