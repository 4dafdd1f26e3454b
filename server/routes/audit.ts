import { Router } from 'express';
import type { Request, Response } from 'express';
import type { z } from 'zod';
import { auditQuerySchema } from '../../core/operator-api.ts';
import type { AuditPage } from '../../core/operator-api.ts';
import { refuseMethod } from '../answer-errors.ts';
import type { Context } from '../context.ts';
import { RequestError } from '../errors.ts';

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
  const entries = await state.auditEntries(readQuery(request));
  const { sequence, hash } = await state.auditHead();
  const page: AuditPage = {
    entries: [...entries],
    head: sequence === 0 ? null : { sequence, hash },
    signed: fleet.view.published.auditHead,
  };
  response.json(page);
}

function readQuery({ query }: Request): z.infer<typeof auditQuerySchema> {
  const result = auditQuerySchema.safeParse(query);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue?.path.map(String).join('.') ?? '';
  throw new RequestError('request/invalid', `query: ${where}: ${issue?.message ?? 'wrong'}`);
}
