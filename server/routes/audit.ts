import { Router } from 'express';
import type { Request, Response } from 'express';
import { auditQuerySchema } from '../../core/operator-api.ts';
import type { AuditPage } from '../../core/operator-api.ts';
import { refuseMethod } from '../answer-errors.ts';
import type { Context } from '../context.ts';
import { parseQuery } from '../request-query.ts';

type AuditContext = Pick<Context, 'state' | 'fleet'>;

/** The audit log, page by page. */
export function auditRoute(context: AuditContext): Router {
  const router = Router();
  router
    .route('/api/v1/audit')
    .get((request, response) => show(context, request, response))
    .all(refuseMethod('GET'));
  return router;
}

async function show(
  { state, fleet }: AuditContext,
  request: Request,
  response: Response,
): Promise<void> {
  const entries = await state.auditEntries(parseQuery(request, auditQuerySchema));
  const { sequence, hash } = await state.auditHead();
  const page: AuditPage = {
    entries: [...entries],
    head: sequence === 0 ? null : { sequence, hash },
    signed: fleet.view.published.auditHead,
  };
  response.json(page);
}
