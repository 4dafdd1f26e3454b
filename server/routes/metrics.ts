import { Router } from 'express';
import { refuseMethod } from '../answer-errors.ts';
import type { Context } from '../context.ts';

/** For Prometheus. */
export function metricsRoute({ metrics }: Pick<Context, 'metrics'>): Router {
  const router = Router();
  router
    .route('/metrics')
    .get(async (_request, response) => {
      const text = await metrics.registry.metrics();
      response.setHeader('Content-Type', metrics.registry.contentType);
      response.end(text);
    })
    .all(refuseMethod('GET'));
  return router;
}
