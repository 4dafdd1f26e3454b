import type { ErrorRequestHandler, NextFunction, Request, RequestHandler, Response } from 'express';
import { retryAfterSeconds } from './check-in-interval.ts';
import type { Context } from './context.ts';
import { problemOf, RequestError } from './errors.ts';

/** The last handler: one problem document for every error, never a stack trace. */
export function answerErrors({
  log,
  load,
  random,
}: Pick<Context, 'log' | 'load' | 'random'>): ErrorRequestHandler {
  return (error: unknown, request, response, next: NextFunction) => {
    const problem = problemOf(error);
    const event = { method: request.method, path: request.path, code: problem.code };
    if (problem.status === 500) log.error({ ...event, err: error }, 'request failed');
    if (problem.status === 503) log.warn({ ...event, err: error }, 'request failed');
    if (response.headersSent) {
      // The answer is half out: breaking it off is all that tells the client.
      next(error);
      return;
    }
    if (problem.status === 503) {
      const seconds = retryAfterSeconds({ load: load.factor, random: random() });
      response.setHeader('Retry-After', seconds);
    }
    response.removeHeader('Content-Length');
    response.setHeader('Cache-Control', 'no-store');
    response.status(problem.status).type('application/problem+json').send(JSON.stringify(problem));
  };
}

export function refuseUnknown(request: Request): never {
  throw new RequestError('request/not-there', `there is no ${request.path.slice(0, 200)}`);
}

/** For the end of a route: a path that is known by other methods only. */
export function refuseMethod(...allowed: readonly string[]): RequestHandler {
  return (request: Request, response: Response) => {
    response.setHeader('Allow', allowed.join(', '));
    throw new RequestError(
      'request/method',
      `${request.path.slice(0, 200)} takes ${allowed.join(', ')}, got ${request.method}`,
    );
  };
}
