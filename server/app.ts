import express from 'express';
import type { Express, NextFunction, Request, Response } from 'express';
import { requireToken } from './authorization.ts';
import type { Context } from './context.ts';
import { answerErrors, refuseUnknown } from './answer-errors.ts';
import { measure } from './measure.ts';
import { checkInRoute } from './routes/check-in.ts';
import { commitRoute } from './routes/commit.ts';
import { fleetRoute } from './routes/fleet.ts';
import { healthRoute } from './routes/health.ts';
import { hostRoute } from './routes/host.ts';
import { metricsRoute } from './routes/metrics.ts';
import { readyRoute } from './routes/ready.ts';
import { refreshRoute } from './routes/refresh.ts';
import { repositoryRoute } from './routes/repository.ts';
import { rolloutChangesRoute } from './routes/rollout-changes.ts';
import { rolloutRoute } from './routes/rollout.ts';
import { rolloutsRoute } from './routes/rollouts.ts';
import { whyRoute } from './routes/why.ts';

/** The whole HTTP interface; starts nothing. */
export function createApp(context: Context): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', 'simple');
  // Measured: what stands before this route on its way to the answer costs a fleet's polls dearly.
  app.use(checkInRoute(context));
  app.use(measure(context));
  app.use(noSniff);
  app.use(healthRoute(), readyRoute(context), metricsRoute(context));
  app.use(repositoryRoute(context));
  app.use('/api/v1', requireToken(context));
  app.use(rolloutsRoute(context), rolloutRoute(context), rolloutChangesRoute(context));
  app.use(refreshRoute(context), commitRoute(context), hostRoute(context));
  app.use(fleetRoute(context), whyRoute(context));
  app.use(refuseUnknown);
  app.use(answerErrors(context));
  return app;
}

function noSniff(_request: Request, response: Response, next: NextFunction): void {
  response.setHeader('X-Content-Type-Options', 'nosniff');
  next();
}
