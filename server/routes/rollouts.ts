import { Router } from 'express';
import { parseInstant } from '../../core/instant.ts';
import { startRequestSchema } from '../../core/operator-api.ts';
import { viewOf } from '../../core/rollout-view.ts';
import { refuseMethod } from '../answer-errors.ts';
import { actorOf } from '../authorization.ts';
import type { Context } from '../context.ts';
import { outcomesOf } from '../outcomes.ts';
import { jsonBody, parseBody } from '../request-body.ts';
import { MAX_ORDER_BYTES } from './rollout-order.ts';

/** All rollouts, oldest first; and the start of a new one. */
export function rolloutsRoute(
  context: Pick<Context, 'fleet' | 'state' | 'writeBehind' | 'intake' | 'now' | 'log'>,
): Router {
  const { fleet, intake, now } = context;
  const router = Router();
  router
    .route('/api/v1/rollouts')
    .get(async (_request, response) => {
      const rollouts = [];
      for (const rollout of fleet.view.rollouts) {
        rollouts.push(viewOf(rollout, now(), await outcomesOf(rollout, context)));
      }
      response.json({ rollouts });
    })
    .post(...jsonBody(MAX_ORDER_BYTES), async (request, response) => {
      const body = parseBody(request, startRequestSchema);
      const { requestId, variant, arch, version, policy, startAt, seeds, reason } = body;
      const rollout = await intake.accept({
        kind: 'start',
        requestId,
        by: actorOf(request),
        reason: reason ?? null,
        variant,
        arch,
        version,
        policy: policy ?? null,
        startAt: startAt === undefined ? null : parseInstant(startAt),
        seeds: seeds ?? 'stable',
      });
      response.setHeader('Location', `/api/v1/rollouts/${rollout.id}`);
      response.status(201).json(viewOf(rollout, now(), await outcomesOf(rollout, context)));
    })
    .all(refuseMethod('GET', 'POST'));
  return router;
}
