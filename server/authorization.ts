import type { RequestHandler } from 'express';
import type { Context } from './context.ts';
import { RequestError } from './errors.ts';
import { isSameToken } from './token.ts';

/** Lets operators through: `Authorization: Bearer <token>`. */
export function requireToken({ token }: Pick<Context, 'token'>): RequestHandler {
  return (request, response, next) => {
    const [, guess] = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '') ?? [];
    if (guess !== undefined && isSameToken(guess, token)) {
      next();
      return;
    }
    response.setHeader('WWW-Authenticate', 'Bearer realm="tidegate"');
    throw new RequestError(
      'request/unauthorized',
      guess === undefined ? 'a bearer token is required' : 'the bearer token is not the right one',
      { hints: ['the token is in the file named token beside the state of the server'] },
    );
  };
}
