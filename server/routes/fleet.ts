import { Router } from 'express';
import type { Request, Response } from 'express';
import { readRules } from '../../core/fleet/read-rules.ts';
import { recordToJson } from '../../core/fleet-view.ts';
import { applyFleetRequestSchema } from '../../core/operator-api.ts';
import { refuseMethod } from '../answer-errors.ts';
import { actorOf } from '../authorization.ts';
import type { Context } from '../context.ts';
import { jsonBody, parseBody } from '../request-body.ts';

/** Enough for some ten thousand pins; what hosts read of the manifest has to hold it too. */
const MAX_RULES_BYTES = 2 * 1024 * 1024;

/** The rules of the fleet, and their replacement as a whole. */
export function fleetRoute({ fleet, intake }: Pick<Context, 'fleet' | 'intake'>): Router {
  const router = Router();
  router
    .route('/api/v1/fleet')
    .get((_request, response) => {
      response.json(recordToJson(fleet.view.fleet));
    })
    .put(...jsonBody(MAX_RULES_BYTES), (request, response) => apply(intake, request, response))
    .all(refuseMethod('GET', 'PUT'));
  return router;
}

async function apply(intake: Context['intake'], request: Request, response: Response) {
  const { requestId, reason = null, rules } = parseBody(request, applyFleetRequestSchema);
  const order = { requestId, by: actorOf(request), reason, rules: readRules(rules) };
  response.json(recordToJson(await intake.acceptFleet(order)));
}
