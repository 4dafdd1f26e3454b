import { Router } from 'express';
import type { Request, Response } from 'express';
import { latestQuerySchema } from '../../core/release-view.ts';
import { refuseMethod } from '../answer-errors.ts';
import type { Context } from '../context.ts';
import { parseQuery } from '../request-query.ts';

type LatestContext = Pick<Context, 'releases'>;

/** What a new host of a variant and arch begins with, in one request and without a token. */
export function latestReleaseRoute(context: LatestContext): Router {
  const router = Router();
  router
    .route('/api/v1/releases/latest')
    .get((request, response) => show(context, request, response))
    .all(refuseMethod('GET'));
  return router;
}

async function show({ releases }: LatestContext, request: Request, response: Response) {
  const platform = parseQuery(request, latestQuerySchema);
  response.setHeader('Cache-Control', 'no-store');
  response.json(await releases.latest(platform));
}
