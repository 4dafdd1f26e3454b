import { Router } from 'express';
import type { Response } from 'express';
import { decide } from '../../core/decide.ts';
import type { Decision } from '../../core/decide.ts';
import type { HostAnswer } from '../../core/host-view.ts';
import { formatInstant } from '../../core/instant.ts';
import { refuseMethod } from '../answer-errors.ts';
import type { Context } from '../context.ts';
import { findHost } from '../find-host.ts';
import { hostJson } from '../host-json.ts';

type HostContext = Pick<Context, 'fleet' | 'leases' | 'state' | 'writeBehind' | 'now'>;

/** What is known of a host, and what it would be told now and why. */
export function hostRoute(context: HostContext): Router {
  const router = Router();
  router
    .route('/api/v1/hosts/:id')
    .get((request, response) => show(context, request.params.id, response))
    .all(refuseMethod('GET'));
  return router;
}

async function show(context: HostContext, id: string, response: Response): Promise<void> {
  const { fleet, leases, now } = context;
  const host = await findHost(context, id);
  const decision = decide(host, fleet.judgementFor(host, leases.countFor(host.id)), now());
  const answer: HostAnswer = { host: hostJson(host), decision: decisionJson(decision) };
  response.json(answer);
}

function decisionJson(decision: Decision): HostAnswer['decision'] {
  if (decision.decision === 'update') {
    const { rolloutId, direction, release } = decision;
    return { decision: 'update', rolloutId, direction, version: release.version };
  }
  const { reason, rolloutId, eligibleAt } = decision;
  return {
    decision: 'stay',
    reason,
    rolloutId,
    eligibleAt: eligibleAt === null ? null : formatInstant(eligibleAt),
  };
}
