import type { RequestHandler } from 'express';
import type { Context } from './context.ts';
import { RequestError } from './errors.ts';
import { operatorWith } from '../core/operators.ts';
import type { Operator, Right } from '../core/operators.ts';

type Asked = { readonly method: string; readonly path: string };

const RIGHTS_TO_POST: readonly { readonly path: RegExp; readonly right: Right }[] = [
  { path: /^\/repository\/(?:commit|refresh)$/i, right: 'publish' },
  { path: /^\/rollouts$/i, right: 'start' },
  { path: /^\/rollouts\/[^/]+\/pause$/i, right: 'pause' },
  { path: /^\/rollouts\/[^/]+\/roll-back\/impact$/i, right: 'read' },
];

const operators = new WeakMap<object, Operator>();

/** Lets operators through who may do what they ask for: `Authorization: Bearer <token>`. */
export function requireOperator({ operators: known }: Pick<Context, 'operators'>): RequestHandler {
  return (request, response, next) => {
    const [, guess] = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '') ?? [];
    const operator = guess === undefined ? null : operatorWith(guess, known);
    if (operator === null) {
      response.setHeader('WWW-Authenticate', 'Bearer realm="tidegate"');
      throw new RequestError(
        'request/unauthorized',
        guess === undefined ? 'a bearer token is required' : 'the bearer token is not a right one',
        { hints: ['the token is in the file named token beside the state of the server'] },
      );
    }
    const right = rightTo(request);
    if (!operator.rights.includes(right)) {
      throw new RequestError('request/forbidden', `${operator.name} has not the right '${right}'`, {
        hints: [`its rights are ${operator.rights.join(', ')}`],
      });
    }
    operators.set(request, operator);
    next();
  };
}

/** Who asks, by the name that the history tells; only behind `requireOperator`. */
export function actorOf(request: object): string {
  const operator = operators.get(request);
  if (operator === undefined) throw new Error('a request that nobody was asked the token of');
  return operator.name;
}

/** What nobody thought of takes the right to all verbs. */
function rightTo({ method, path }: Asked): Right {
  if (method === 'GET' || method === 'HEAD') return 'read';
  const plain = path.replace(/\/$/, '');
  const post = RIGHTS_TO_POST.find((one) => one.path.test(plain));
  return method === 'POST' && post !== undefined ? post.right : 'steer';
}
