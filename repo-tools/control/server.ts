import { randomUUID } from 'node:crypto';
import type { z } from 'zod';
import { ExpectedError } from '../../core/errors.ts';
import { formatInstant } from '../../core/instant.ts';
import { problemSchema, rolloutListSchema } from '../../core/operator-api.ts';
import type { ChangeRequest, RollBackRequest, StartRequest } from '../../core/operator-api.ts';
import { rolloutViewSchema } from '../../core/rollout-view.ts';
import type { RolloutControl } from './control.ts';

/** `server/refused` carries the server's own message; the other two say that there was no sensible answer. */
export class ServerError extends ExpectedError<
  'server/unreachable' | 'server/answer' | 'server/refused'
> {}

const TIMEOUT_MS = 30_000;

type Target = { readonly url: string; readonly token: string };
type Call = {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: StartRequest | ChangeRequest | RollBackRequest;
};

/** Speaks the operators' API. A request carries its own id, so that sending it again does nothing twice. */
export function serverControl(target: Target): RolloutControl {
  const post = (path: string, body: Exclude<Call['body'], undefined>) =>
    call(target, { method: 'POST', path, body }, rolloutViewSchema);
  const at = (rolloutId: string) => `rollouts/${encodeURIComponent(rolloutId)}`;
  return {
    start: ({ variant, arch, version, policy, startAt, seeds, reason }) =>
      post('rollouts', {
        requestId: randomUUID(),
        variant,
        arch,
        version,
        seeds,
        ...(policy === null ? {} : { policy }),
        ...(startAt === null ? {} : { startAt: formatInstant(startAt) }),
        ...(reason === null ? {} : { reason }),
      }),
    change: (kind, rolloutId, reason) =>
      post(`${at(rolloutId)}/${kind}`, {
        requestId: randomUUID(),
        ...(reason === null ? {} : { reason }),
      }),
    rollBack: (rolloutId, to, reason) =>
      post(`${at(rolloutId)}/roll-back`, {
        requestId: randomUUID(),
        to,
        ...(reason === null ? {} : { reason }),
      }),
    async list() {
      const { rollouts } = await call(
        target,
        { method: 'GET', path: 'rollouts' },
        rolloutListSchema,
      );
      return rollouts;
    },
    show: (rolloutId) => call(target, { method: 'GET', path: at(rolloutId) }, rolloutViewSchema),
    async [Symbol.asyncDispose]() {},
  };
}

async function call<T>(
  { url, token }: Target,
  { method, path, body }: Call,
  schema: z.ZodType<T>,
): Promise<T> {
  const address = `${url.replace(/\/+$/, '')}/api/v1/${path}`;
  const response = await fetchText(address, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const json = readJson(response.text);
  if (response.isOk) {
    const answer = schema.safeParse(json);
    if (answer.success) return answer.data;
    throw new ServerError('server/answer', `${address} answered with something else than expected`);
  }
  const problem = problemSchema.safeParse(json);
  if (problem.success) {
    throw new ServerError('server/refused', problem.data.detail, {
      hints: problem.data.hints ?? [],
    });
  }
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
