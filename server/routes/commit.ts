import { Router } from 'express';
import { commitRequestSchema } from '../../core/operator-api.ts';
import { refuseMethod } from '../answer-errors.ts';
import type { Context } from '../context.ts';
import { jsonBody, parseBody } from '../request-body.ts';

const MAX_BYTES = 4096;

/** A publisher that holds only its release key asks for snapshot and timestamp. The same request again changes nothing. */
export function commitRoute({ link, log }: Pick<Context, 'link' | 'log'>): Router {
  const router = Router();
  router
    .route('/api/v1/repository/commit')
    .post(...jsonBody(MAX_BYTES), async (request, response) => {
      const body = parseBody(request, commitRequestSchema);
      const answer = await link.commitRole(body);
      log.info({ role: body.role, version: body.version, ...answer }, 'role committed');
      response.json(answer);
    })
    .all(refuseMethod('POST'));
  return router;
}
