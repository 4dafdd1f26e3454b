import { Router } from 'express';
import { changeRequestSchema, rollBackRequestSchema } from '../../core/operator-api.ts';
import { viewOf } from '../../core/rollout-view.ts';
import { SIMPLE_VERBS } from '../../core/verb.ts';
import { refuseMethod } from '../answer-errors.ts';
import { actorOf } from '../authorization.ts';
import type { Context } from '../context.ts';
import { outcomesOf } from '../outcomes.ts';
import { jsonBody, parseBody } from '../request-body.ts';
import type { Order } from '../verb-order.ts';
import { MAX_ORDER_BYTES } from './rollout-order.ts';

/** The verbs on a rollout that is there: one path each. */
export function rolloutChangesRoute(
  context: Pick<Context, 'fleet' | 'state' | 'writeBehind' | 'intake' | 'now' | 'log'>,
): Router {
  const router = Router();
  const accept = async (order: Order) => {
    const rollout = await context.intake.accept(order);
    return viewOf(rollout, context.now(), await outcomesOf(rollout, context));
  };
  for (const kind of SIMPLE_VERBS) {
    router
      .route(`/api/v1/rollouts/:id/${kind}`)
      .post(...jsonBody(MAX_ORDER_BYTES), async (request, response) => {
        const { requestId, reason = null } = parseBody(request, changeRequestSchema);
        const rolloutId = request.params['id'] ?? '';
        response.json(await accept({ kind, requestId, by: actorOf(request), reason, rolloutId }));
      })
      .all(refuseMethod('POST'));
  }
  router
    .route('/api/v1/rollouts/:id/roll-back')
    .post(...jsonBody(MAX_ORDER_BYTES), async (request, response) => {
      const body = parseBody(request, rollBackRequestSchema);
      const { requestId, to, policy = null, reason = null } = body;
      const rolloutId = request.params['id'] ?? '';
      response.json(
        await accept({
          ...{ kind: 'roll-back', requestId, by: actorOf(request), reason },
          ...{ rolloutId, to, policy },
        }),
      );
    })
    .all(refuseMethod('POST'));
  return router;
}
