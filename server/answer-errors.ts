import type { ServerResponse } from 'node:http';
import type { ErrorRequestHandler, NextFunction, Request, RequestHandler, Response } from 'express';
import { retryAfterSeconds } from './check-in-interval.ts';
import type { Context } from './context.ts';
import { problemOf, RequestError } from './errors.ts';

/** What an answer to an error needs. */
export type ErrorContext = Pick<Context, 'log' | 'load' | 'random'>;

/** The last handler: one problem document for every error, never a stack trace. */
export function answerErrors(context: ErrorContext): ErrorRequestHandler {
  return (error: unknown, request, response, next: NextFunction) => {
    // The answer is half out: breaking it off is all that tells the client.
    if (!answerProblem(context, error, request.path, response)) next(error);
  };
}

/** The problem document of an error; false if another answer has begun already. */
export function answerProblem(
  { log, load, random }: ErrorContext,
  error: unknown,
  path: string,
  response: ServerResponse,
): boolean {
  const problem = problemOf(error);
  const event = { method: response.req.method, path, code: problem.code };
  if (problem.status === 500) log.error({ ...event, err: error }, 'request failed');
  if (problem.status === 503) log.warn({ ...event, err: error }, 'request failed');
  if (response.headersSent) return false;
  if (problem.status === 503) {
    const seconds = retryAfterSeconds({ load: load.factor, random: random() });
    response.setHeader('Retry-After', seconds);
  }
  const text = JSON.stringify(problem);
  response.statusCode = problem.status;
  response.setHeader('Cache-Control', 'no-store');
  response.setHeader('Content-Type', 'application/problem+json; charset=utf-8');
  response.setHeader('Content-Length', Buffer.byteLength(text));
  response.end(text);
  return true;
}

export function refuseUnknown(request: Request): never {
  throw new RequestError('request/not-there', `there is no ${request.path.slice(0, 200)}`);
}

/** For the end of a route: a path that is known by other methods only. */
export function refuseMethod(...allowed: readonly string[]): RequestHandler {
  return (request: Request, response: Response) => {
    throw methodError(request.path, response, allowed);
  };
}

/** That the path takes other methods, which the answer names. */
export function methodError(
  path: string,
  response: ServerResponse,
  allowed: readonly string[],
): RequestError {
  const methods = allowed.join(', ');
  response.setHeader('Allow', methods);
  const got = response.req.method;
  return new RequestError('request/method', `${path.slice(0, 200)} takes ${methods}, got ${got}`);
}
