import { Router } from 'express';
import type { Response } from 'express';
import { viewOf } from '../../core/rollout-view.ts';
import { RolloutError } from '../../core/verb.ts';
import { refuseMethod } from '../answer-errors.ts';
import type { Context } from '../context.ts';
import { outcomesOf } from '../outcomes.ts';

type RolloutContext = Pick<Context, 'fleet' | 'state' | 'writeBehind' | 'now' | 'log'>;

/** One rollout, with what its hosts did. */
export function rolloutRoute(context: RolloutContext): Router {
  const router = Router();
  router
    .route('/api/v1/rollouts/:id')
    .get((request, response) => show(context, request.params.id, response))
    .all(refuseMethod('GET'));
  return router;
}

async function show(context: RolloutContext, id: string, response: Response): Promise<void> {
  const rollout = context.fleet.view.rollouts.find((one) => one.id === id);
  if (rollout === undefined) {
    throw new RolloutError('rollout/not-there', `no rollout has the id ${id.slice(0, 100)}`);
  }
  response.json(viewOf(rollout, context.now(), await outcomesOf(rollout, context)));
}
