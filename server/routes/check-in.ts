import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { checkInAnswer, checkInSchema } from '../../core/check-in.ts';
import type { CheckIn } from '../../core/check-in.ts';
import { decideAmong, withoutLease } from '../../core/decide.ts';
import type { Decision, Host } from '../../core/decide.ts';
import { parseInstant } from '../../core/instant.ts';
import { isPlainCheckIn } from '../../core/plain-check-in.ts';
import { seedOfHost } from '../../core/seed.ts';
import { answerProblem, methodError } from '../answer-errors.ts';
import { nextCheckInSeconds, phaseOf } from '../check-in-interval.ts';
import type { Context } from '../context.ts';
import { problemOf, RequestError } from '../errors.ts';
import { CHECK_IN_PATH } from '../metrics.ts';
import { readBody } from '../read-body.ts';
import { parseBytes, refuseOtherMedia } from '../request-body.ts';

const OTHER_SPELLING = /^(?:https?:\/\/[^/?]*)?\/api\/v1\/check-in\/?(?:\?|$)/i;
const MAX_BODY_BYTES = 64 * 1024;

export type CheckInContext = Pick<
  Context,
  | 'fleet'
  | 'leases'
  | 'events'
  | 'reportIntake'
  | 'writeBehind'
  | 'metrics'
  | 'pace'
  | 'load'
  | 'jobs'
  | 'now'
  | 'random'
  | 'log'
>;

/** Whether a request is for check-ins: spelled as Express would take it, which handles all others. */
export function isForCheckIn({ url = '' }: Pick<IncomingMessage, 'url'>): boolean {
  return url === CHECK_IN_PATH || OTHER_SPELLING.test(url);
}

/**
 * A host's poll, answered from memory. Only reports touch the database, and before the answer. It is most of what a server
 * does, and Express would take longer to find it than it takes to be answered: so it stands before Express.
 */
export function checkInListener(context: CheckInContext): RequestListener {
  return (request, response) => {
    answer(context, request, response).catch((error: unknown) => {
      context.metrics.checkIns.inc({ decision: 'refused', reason: problemOf(error).code });
      // Nothing can fail once an answer has begun.
      answerProblem(context, error, CHECK_IN_PATH, response);
    });
  };
}

async function answer(
  context: CheckInContext,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const startedMs = performance.now();
  if (request.method !== 'POST') throw methodError(CHECK_IN_PATH, response, ['POST']);
  refuseOtherMedia(request.headers);
  const checkIn = parseBytes(
    await readBody(request, MAX_BODY_BYTES),
    checkInSchema,
    isPlainCheckIn,
  );
  const { metrics, now, pace, load, random } = context;
  refuseUnknownPlatform(context, checkIn);
  if (checkIn.reports !== undefined) await keepReports(context, checkIn);
  const { state } = checkIn;
  const host = hostOf(checkIn, now);
  if (state === 'ready' || state === 'confirming') context.leases.heard(host);
  const judged = judge(context, host);
  // Most hosts stay, and need not wait for anything.
  const decision =
    judged.decision.decision === 'stay' ? judged.decision : await withLease(context, host, judged);
  const at = now();
  remember(context, checkIn, host.seed, decision, at);
  const seconds = nextCheckInSeconds(decision, {
    ...pace,
    now: at,
    load: load.factor,
    random: random(),
    phase: phaseOf(host.id),
  });
  const text = JSON.stringify(checkInAnswer(decision, seconds));
  response.writeHead(200, {
    'Content-Type': 'application/json',
    'Cache-Control': 'no-store',
    'Content-Length': Buffer.byteLength(text),
  });
  response.end(text);
  const reason = decision.decision === 'stay' ? decision.reason : decision.direction;
  metrics.checkInFigures.add(decision.decision, reason, (performance.now() - startedMs) / 1000);
}

function refuseUnknownPlatform({ fleet }: CheckInContext, { host }: CheckIn): void {
  if (fleet.currentRollouts(host) !== null) return;
  throw new RequestError(
    'request/unknown-platform',
    `no releases are published for variant ${host.variant} on arch ${host.arch}`,
  );
}

function hostOf({ host, failed }: CheckIn, now: () => Date): Host {
  const seed = host.seed ?? seedOfHost(host.id);
  if (failed === undefined) return { ...host, seed };
  const nowMs = now().getTime();
  const after = (seconds: number) => new Date(nowMs + seconds * 1000);
  return {
    ...{ ...host, seed },
    failed: failed.map(({ version, attempt, retryAfterSeconds: seconds }) => ({
      ...{ version, attempt, retryAt: seconds === undefined ? null : after(seconds) },
    })),
  };
}

type Judged = { readonly view: Context['fleet']['view']; readonly decision: Decision };

function judge({ fleet, leases, now }: CheckInContext, host: Host): Judged {
  const { view } = fleet;
  const judgement = fleet.judgementFor(host, leases.countFor(host.id));
  return { view, decision: decideAmong(host, judgement, now()) };
}

/** Decides anew if the plan changed while the database gave a lease: no host starts after a pause was acknowledged. */
async function withLease(context: CheckInContext, host: Host, judged: Judged): Promise<Decision> {
  const { fleet, leases } = context;
  for (let { view, decision } = judged; ; { view, decision } = judge(context, host)) {
    if (decision.decision === 'stay') return decision;
    if (!(await leases.take(host))) return withoutLease(decision);
    if (fleet.view === view) return decision;
  }
}

async function keepReports(context: CheckInContext, { host, reports = [] }: CheckIn) {
  if (reports.length === 0) return;
  const { fleet, reportIntake, leases, metrics, events, jobs, now } = context;
  const attempts = new Map(fleet.view.rollouts.map(({ id, attempt }) => [id, attempt]));
  const kept = reports.map((report) => ({
    ...report,
    attempt: attempts.get(report.rolloutId) ?? 1,
    error: report.error ?? null,
    at: parseInstant(report.at),
  }));
  await reportIntake.record({ hostId: host.id, reports: kept, receivedAt: now() });
  leases.freed(host.id);
  // A failure may have to halt its rollout, and that must not wait.
  if (kept.some(({ outcome }) => outcome === 'failed')) jobs.gates.wake();
  for (const { outcome, rolloutId, from, to, stage, error } of kept) {
    metrics.reports.inc({ outcome });
    events.publish('report', { hostId: host.id, rolloutId, from, to, outcome, stage, error });
  }
}

function remember(
  { writeBehind }: CheckInContext,
  { host, state }: CheckIn,
  seed: number,
  decision: Decision,
  at: Date,
): void {
  writeBehind.seen({
    ...host,
    seed,
    group: host.group ?? null,
    labels: host.labels ?? {},
    state,
    seenAt: at,
  });
  if (decision.decision === 'update') {
    writeBehind.offered({ rolloutId: decision.rolloutId, hostId: host.id, at });
  }
}
