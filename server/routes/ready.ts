import { Router } from 'express';
import { refuseMethod } from '../answer-errors.ts';
import type { Context } from '../context.ts';
import { readinessOf } from '../readiness.ts';

/** 200 if all is well, else 503, with what is wrong. */
export function readyRoute(
  context: Pick<
    Context,
    'state' | 'clock' | 'replicas' | 'fleet' | 'link' | 'signers' | 'expiry' | 'now'
  >,
): Router {
  const router = Router();
  router
    .route('/readyz')
    .get(async (_request, response) => {
      const readiness = await readinessOf({ ...context, now: context.now() });
      response.setHeader('Cache-Control', 'no-store');
      response.status(readiness.ready ? 200 : 503).json(readiness);
    })
    .all(refuseMethod('GET'));
  return router;
}
