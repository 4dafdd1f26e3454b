import { Router } from 'express';
import type { Response } from 'express';
import { explain } from '../../core/why.ts';
import { refuseMethod } from '../answer-errors.ts';
import type { Context } from '../context.ts';
import { findHost } from '../find-host.ts';

type WhyContext = Pick<Context, 'fleet' | 'leases' | 'state' | 'writeBehind' | 'now'>;

/** Why a host is told what it is told. */
export function whyRoute(context: WhyContext): Router {
  const router = Router();
  router
    .route('/api/v1/hosts/:id/why')
    .get((request, response) => answer(context, request.params.id, response))
    .all(refuseMethod('GET'));
  return router;
}

async function answer(context: WhyContext, id: string, response: Response): Promise<void> {
  const { fleet, leases, now } = context;
  const host = await findHost(context, id);
  response.json(explain(host, fleet.judgementFor(host, leases.countFor(id)), now()));
}
