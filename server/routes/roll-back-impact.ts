import { randomUUID } from 'node:crypto';
import { Router } from 'express';
import type { Request, Response } from 'express';
import { rollBackImpactRequestSchema } from '../../core/operator-api.ts';
import { RolloutError } from '../../core/verb.ts';
import { WayBackCount } from '../../core/way-back-impact.ts';
import type { WayBackImpact } from '../../core/way-back-impact.ts';
import { refuseMethod } from '../answer-errors.ts';
import { actorOf } from '../authorization.ts';
import type { Context } from '../context.ts';
import { jsonBody, parseBody } from '../request-body.ts';
import type { Order } from '../verb-order.ts';
import { MAX_ORDER_BYTES } from './rollout-order.ts';

type ImpactContext = Pick<Context, 'intake' | 'state' | 'writeBehind' | 'sweep' | 'now'>;

/** What the verb `roll back` would do, for whoever is about to give it. */
export function rollBackImpactRoute(context: ImpactContext): Router {
  const router = Router();
  router
    .route('/api/v1/rollouts/:id/roll-back/impact')
    .post(...jsonBody(MAX_ORDER_BYTES), (request: Request<{ id: string }>, response) =>
      answer(context, request, response),
    )
    .all(refuseMethod('POST'));
  return router;
}

async function answer(
  context: ImpactContext,
  request: Request<{ id: string }>,
  response: Response,
) {
  const { to, policy = null } = parseBody(request, rollBackImpactRequestSchema);
  const rolloutId = request.params.id;
  const origin = { requestId: randomUUID(), by: actorOf(request), reason: 'what if' };
  const impact = await impactOf(context, { ...origin, kind: 'roll-back', rolloutId, to, policy });
  response.setHeader('Cache-Control', 'no-store');
  response.json(impact);
}

async function impactOf(
  { intake, state, writeBehind, sweep, now }: ImpactContext,
  order: Order & { readonly kind: 'roll-back' },
): Promise<WayBackImpact> {
  const { rollouts, fleet } = await intake.preview(order);
  const { rolloutId, to } = order;
  const rollout = rollouts.find(({ id }) => id === rolloutId);
  if (rollout === undefined) {
    throw new RolloutError('rollout/not-there', `no rollout has the id ${rolloutId}`);
  }
  await writeBehind.flush();
  const count = new WayBackCount(rollout, { rollouts, rules: fleet.rules }, now());
  const { variant, arch, version } = rollout.release;
  await sweep.each({ variant, arch, version }, (host) => {
    count.add(host, host.lastSeen);
  });
  const { offered: underWay } = await state.countsOf(rolloutId);
  return { rolloutId, version, to, ...count.fates, underWay };
}
