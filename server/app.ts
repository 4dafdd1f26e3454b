import type { RequestListener } from 'node:http';
import express from 'express';
import type { NextFunction, Request, Response } from 'express';
import { requireOperator } from './authorization.ts';
import type { Context } from './context.ts';
import { answerErrors, refuseUnknown } from './answer-errors.ts';
import { measure } from './measure.ts';
import { auditRoute } from './routes/audit.ts';
import { checkInListener, isForCheckIn } from './routes/check-in.ts';
import { commitRoute } from './routes/commit.ts';
import { eventsRoute } from './routes/events.ts';
import { fleetRoute } from './routes/fleet.ts';
import { groupsRoute } from './routes/groups.ts';
import { healthRoute } from './routes/health.ts';
import { hostRoute } from './routes/host.ts';
import { hostsRoute } from './routes/hosts.ts';
import { latestReleaseRoute } from './routes/latest-release.ts';
import { metricsRoute } from './routes/metrics.ts';
import { openApiRoute } from './routes/openapi.ts';
import { readyRoute } from './routes/ready.ts';
import { refreshRoute } from './routes/refresh.ts';
import { releasesRoute } from './routes/releases.ts';
import { repositoryRoute } from './routes/repository.ts';
import { rollBackImpactRoute } from './routes/roll-back-impact.ts';
import { rolloutChangesRoute } from './routes/rollout-changes.ts';
import { rolloutRoute } from './routes/rollout.ts';
import { rolloutsRoute } from './routes/rollouts.ts';
import { whyRoute } from './routes/why.ts';

/** The whole HTTP interface; starts nothing. */
export function createApp(context: Context): RequestListener {
  const checkIn = checkInListener(context);
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', 'simple');
  app.use(measure(context));
  app.use(noSniff);
  app.use(healthRoute(), readyRoute(context), metricsRoute(context));
  app.use(repositoryRoute(context));
  app.use(releasesRoute(context), latestReleaseRoute(context), openApiRoute());
  app.use('/api/v1', requireOperator(context));
  app.use(rolloutsRoute(context), rolloutRoute(context), rolloutChangesRoute(context));
  app.use(refreshRoute(context), commitRoute(context), hostRoute(context));
  app.use(auditRoute(context));
  app.use(hostsRoute(context), eventsRoute(context));
  app.use(fleetRoute(context), whyRoute(context));
  app.use(groupsRoute(context), rollBackImpactRoute(context));
  app.use(refuseUnknown);
  app.use(answerErrors(context));
  return (request, response) => {
    if (isForCheckIn(request)) checkIn(request, response);
    else app(request, response);
  };
}

function noSniff(_request: Request, response: Response, next: NextFunction): void {
  response.setHeader('X-Content-Type-Options', 'nosniff');
  next();
}
