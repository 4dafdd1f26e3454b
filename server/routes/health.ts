import { Router } from 'express';
import { refuseMethod } from '../answer-errors.ts';

/** The process is alive; nothing else is said. */
export function healthRoute(): Router {
  const router = Router();
  router
    .route('/healthz')
    .get((_request, response) => {
      response.setHeader('Cache-Control', 'no-store');
      response.json({ status: 'ok' });
    })
    .all(refuseMethod('GET'));
  return router;
}
