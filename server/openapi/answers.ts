import type { ZodType } from 'zod';
import type { ZodOpenApiResponsesObject } from 'zod-openapi';
import { problemSchema } from '../../core/operator-api.ts';

/** Why an operation may be refused; everything may fail with 500. */
const PROBLEMS = {
  400: 'the request is wrong: `detail` says what and where',
  401: 'the bearer token is missing or wrong',
  403: 'the operator with this token has no right to this',
  404: 'there is no such thing',
  409: 'not legal as things stand',
  412: 'what the request is to replace is there no more',
  413: 'the body is too large',
  415: 'the body is not plain `application/json`',
  422: 'what was signed or stored does not fit',
  500: 'a bug',
  503: 'the database or the storage is away, or the server is full: try again after `Retry-After`',
} as const;

export type ProblemStatus = keyof typeof PROBLEMS;

/** Problem documents (RFC 9457) of an operation. */
export function problems(...statuses: readonly ProblemStatus[]): ZodOpenApiResponsesObject {
  // Whoever has to show a token may lack the right.
  const more = statuses.includes(401) ? ([403, 500] as const) : ([500] as const);
  return Object.fromEntries(
    [...statuses, ...more].map((status) => [
      status,
      {
        description: PROBLEMS[status],
        ...(status === 503 ? { headers: { 'Retry-After': RETRY_AFTER } } : {}),
        content: { 'application/problem+json': { schema: problemSchema } },
      },
    ]),
  );
}

const RETRY_AFTER = {
  required: true,
  description:
    'seconds to wait, another number for every client so that they do not come back together',
  schema: { type: 'integer' as const, minimum: 1 },
};

/** A JSON answer. */
export function json(status: number, description: string, schema: ZodType) {
  return { [status]: { description, content: { 'application/json': { schema } } } };
}

/** A JSON body that a request must have. */
export function body(schema: ZodType) {
  return { required: true, content: { 'application/json': { schema } } };
}

/** An answer whose content no schema describes. */
export function content(status: number, description: string, type: string) {
  return {
    [status]: { description, content: { [type]: { schema: { type: 'string' as const } } } },
  };
}

/** An answer without content. */
export function empty(status: number, description: string) {
  return { [status]: { description } };
}
