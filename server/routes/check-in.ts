import { Router } from 'express';
import type { ErrorRequestHandler, Request, Response } from 'express';
import { checkInAnswer, checkInSchema } from '../../core/check-in.ts';
import type { CheckIn } from '../../core/check-in.ts';
import { decide, NO_JUDGEMENT } from '../../core/decide.ts';
import type { Decision } from '../../core/decide.ts';
import { parseInstant } from '../../core/instant.ts';
import { seedOfHost } from '../../core/seed.ts';
import { answerErrors, refuseMethod } from '../answer-errors.ts';
import { nextCheckInSeconds } from '../check-in-interval.ts';
import type { Context } from '../context.ts';
import { problemOf, RequestError } from '../errors.ts';
import { jsonBody, parseBody } from '../request-body.ts';

const PATH = '/api/v1/check-in';
const MAX_BODY_BYTES = 64 * 1024;

export type CheckInContext = Pick<
  Context,
  'fleet' | 'state' | 'writeBehind' | 'metrics' | 'pace' | 'load' | 'now' | 'random' | 'log'
>;

/** A host's poll, answered from memory. Only reports touch the database, and before the answer. */
export function checkInRoute(context: CheckInContext): Router {
  const router = Router();
  router
    .route(PATH)
    .post(...jsonBody(MAX_BODY_BYTES), (request, response) => answer(context, request, response))
    .all(refuseMethod('POST'));
  router.use(PATH, countRefused(context), answerErrors(context));
  return router;
}

function countRefused({ metrics }: CheckInContext): ErrorRequestHandler {
  return (error: unknown, _request, _response, next) => {
    metrics.checkIns.inc({ decision: 'refused', reason: problemOf(error).code });
    next(error);
  };
}

async function answer(context: CheckInContext, request: Request, response: Response) {
  const startedMs = performance.now();
  const { metrics, now, pace, load, random } = context;
  const checkIn = parseBody(request, checkInSchema);
  refuseUnknownPlatform(context, checkIn);
  await keepReports(context, checkIn);
  const at = now();
  const decision = decideFor(context, checkIn, at);
  remember(context, checkIn, decision, at);
  const seconds = nextCheckInSeconds(decision, {
    ...pace,
    now: at,
    load: load.factor,
    random: random(),
  });
  response.setHeader('Content-Type', 'application/json');
  response.setHeader('Cache-Control', 'no-store');
  response.end(JSON.stringify(checkInAnswer(decision, seconds)));
  const reason = decision.decision === 'stay' ? decision.reason : decision.direction;
  metrics.checkIns.inc({ decision: decision.decision, reason });
  metrics.duration.observe(
    { route: PATH, method: 'POST', status: 200 },
    (performance.now() - startedMs) / 1000,
  );
}

function refuseUnknownPlatform({ fleet }: CheckInContext, { host }: CheckIn): void {
  if (fleet.currentRollouts(host) !== null) return;
  throw new RequestError(
    'request/unknown-platform',
    `no releases are published for variant ${host.variant} on arch ${host.arch}`,
  );
}

function decideFor({ fleet }: CheckInContext, { host }: CheckIn, now: Date): Decision {
  const seed = host.seed ?? seedOfHost(host.id);
  return decide({ ...host, seed }, fleet.judgementFor(host) ?? NO_JUDGEMENT, now);
}

async function keepReports(context: CheckInContext, { host, reports = [] }: CheckIn) {
  if (reports.length === 0) return;
  const { state, metrics, now } = context;
  const kept = reports.map((report) => ({
    ...report,
    error: report.error ?? null,
    at: parseInstant(report.at),
  }));
  await state.recordReports(host.id, kept, now());
  for (const { outcome } of kept) metrics.reports.inc({ outcome });
}

function remember(
  { writeBehind }: CheckInContext,
  { host, state }: CheckIn,
  decision: Decision,
  at: Date,
): void {
  writeBehind.seen({
    ...host,
    seed: host.seed ?? seedOfHost(host.id),
    group: host.group ?? null,
    labels: host.labels ?? {},
    state,
    seenAt: at,
  });
  if (decision.decision === 'update') {
    writeBehind.offered({ rolloutId: decision.rolloutId, hostId: host.id, at });
  }
}
