import type { z } from 'zod';
import { ExpectedError } from '../../core/errors.ts';
import { problemSchema } from '../../core/operator-api.ts';
import type { Problem } from '../../core/operator-api.ts';

/** `server/refused` carries the server's own message; the other two say that there was no sensible answer. */
export class ServerError extends ExpectedError<
  'server/unreachable' | 'server/answer' | 'server/refused'
> {}

/** The server said why it does not do it. */
export class RefusedError extends ServerError {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super('server/refused', problem.detail, { hints: problem.hints ?? [] });
    this.problem = problem;
  }
}

/** A server's address and the operators' token. */
export type ServerTarget = { readonly url: string; readonly token: string };

export type Call = {
  readonly method: 'GET' | 'POST' | 'PUT';
  /** Below `/api/v1/`. */
  readonly path: string;
  readonly body?: object;
  readonly ifMatch?: string;
  /** 30 s if not given. */
  readonly timeoutMs?: number;
};

const TIMEOUT_MS = 30_000;

/** One request of the operators' API; its answer as the schema has it. Throws ServerError. */
export async function callServer<T>(
  { url, token }: ServerTarget,
  { method, path, body, ifMatch, timeoutMs = TIMEOUT_MS }: Call,
  schema: z.ZodType<T>,
): Promise<T> {
  const address = `${url.replace(/\/+$/, '')}/api/v1/${path}`;
  const response = await fetchText(address, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(ifMatch === undefined ? {} : { 'if-match': ifMatch }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(timeoutMs),
  });
  const json = readJson(response.text);
  if (response.isOk) {
    const answer = schema.safeParse(json);
    if (answer.success) return answer.data;
    throw new ServerError('server/answer', `${address} answered with something else than expected`);
  }
  const problem = problemSchema.safeParse(json);
  if (problem.success) throw new RefusedError(problem.data);
  throw new ServerError('server/answer', `${address} answered ${response.status}`);
}

async function fetchText(address: string, init: RequestInit) {
  try {
    const response = await fetch(address, init);
    return { isOk: response.ok, status: response.status, text: await response.text() };
  } catch (cause) {
    throw new ServerError('server/unreachable', `no answer from ${address}`, {
      cause,
      hints: ['is the server running, and is --server its address?'],
    });
  }
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
