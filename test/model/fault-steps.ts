import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Fault } from '../support/mortal.ts';
import { named, stepOf } from './step.ts';
import type { Step } from './step.ts';

/** Another step, in the middle of which a change fails or kills the server; and perhaps the next one while it starts. */
export function faultyStep(step: Step, fault: Fault, atStart: Fault | null): Step {
  const again = atStart === null ? '' : ', again at the start';
  return {
    check: (model) => step.check(model),
    run: async (model, world) => {
      world.arm(fault, atStart);
      await step.run(model, world);
      world.disarm();
    },
    ...named(`${step.name} (${fault.kind} ${fault.phase} change ${fault.n}${again})`),
  };
}

/** More turns of the event loop than a request needs that waits for nothing else. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await nextTurn();
}

/** Another step right before the n-th change that a job makes, if it makes so many. */
export function meanwhileStep(job: Step, n: number, inner: Step): Step {
  return {
    check: (model) => job.check(model) && inner.check(model),
    run: async (model, world) => {
      const running: Promise<void>[] = [];
      world.during(n, async () => {
        const work = inner.run(model, world);
        running.push(work);
        // It may have to wait for the very job, so it is not waited for to the end.
        await Promise.race([work.catch(() => {}), turns()]);
      });
      await job.run(model, world);
      world.disarm();
      await Promise.all(running);
    },
    ...named(`${job.name}, and before its change ${n}: ${inner.name}`),
  };
}

/** The server is killed between two requests. */
export function killStep(): Step {
  return stepOf('kill', (_model, world) => world.restart());
}

export function outageStep(what: 'storage' | 'database', isAway: boolean): Step {
  return stepOf(`${what} ${isAway ? 'goes away' : 'comes back'}`, async (model, world) => {
    world.setAway(what, isAway);
    model.isAway = world.isAway;
  });
}

export function passStep(ms: number): Step {
  return stepOf(`${ms / 3_600_000} h pass`, async (model, world) => {
    model.pass(ms);
    world.clock.now = new Date(model.nowMs);
  });
}
