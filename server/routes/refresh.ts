import { Router } from 'express';
import { refuseMethod } from '../answer-errors.ts';
import type { Context } from '../context.ts';

/** A publisher tells that it has committed, so that nobody waits for the next look. */
export function refreshRoute({ link, fleet }: Pick<Context, 'link' | 'fleet'>): Router {
  const router = Router();
  router
    .route('/api/v1/repository/refresh')
    .post(async (_request, response) => {
      const changed = await link.follow();
      response.json({ changed, timestamp: fleet.view.published.state.timestamp.version });
    })
    .all(refuseMethod('POST'));
  return router;
}
