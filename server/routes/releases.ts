import { Router } from 'express';
import type { Request, Response } from 'express';
import { releaseQuerySchema } from '../../core/release-view.ts';
import { refuseMethod } from '../answer-errors.ts';
import type { Context } from '../context.ts';
import { parseQuery } from '../request-query.ts';

type ReleasesContext = Pick<Context, 'releases'>;

/** What is published; nothing that the repository does not tell everybody, so no token is asked for. */
export function releasesRoute(context: ReleasesContext): Router {
  const router = Router();
  router
    .route('/api/v1/releases')
    .get((request, response) => list(context, request, response))
    .all(refuseMethod('GET'));
  return router;
}

async function list({ releases }: ReleasesContext, request: Request, response: Response) {
  const filter = parseQuery(request, releaseQuerySchema);
  response.setHeader('Cache-Control', 'no-store');
  response.json({ releases: await releases.list(filter) });
}
