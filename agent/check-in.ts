import { checkInAnswerSchema } from '../core/check-in.ts';
import type { CheckIn, CheckInAnswer } from '../core/check-in.ts';
import { retryAfterMs } from './backoff.ts';
import { AgentError, ServerBusyError } from './errors.ts';
import { readBody, readErrorPage, send } from './http.ts';
import type { HttpRequest } from './http.ts';

const MAX_ANSWER_BYTES = 64 * 1024;
/** As long as `nextCheckInSeconds` may be: nobody shall keep a host away for ever. */
const LONGEST_SECONDS = 86_400;

/** Asks the server. Its answer is a hint: nothing is done because of it that signed files do not allow. */
export async function checkIn(
  serverUrl: string,
  request: CheckIn,
  { now, signal, network }: { readonly now: () => Date } & Pick<HttpRequest, 'signal' | 'network'>,
): Promise<CheckInAnswer> {
  const url = `${serverUrl}api/v1/check-in`;
  const response = await send(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(request),
    ...{ signal, network },
  });
  const { status, headers } = response;
  const { failed, ...plain } = request;
  // A server of before takes no check-in with a member that it does not know.
  if (status === 400 && failed !== undefined) {
    return checkIn(serverUrl, plain, { now, signal, network });
  }
  if (status !== 200) {
    const message = `${url} answered ${status}: ${await readErrorPage(response)}`;
    if (status < 500 && status !== 429) throw new AgentError('agent/answer', message);
    const seconds = Math.ceil(retryAfterMs(headers['retry-after'], now()) / 1000);
    throw new ServerBusyError(message, seconds === 0 ? null : Math.min(LONGEST_SECONDS, seconds));
  }
  const text = (await readBody(response, url, MAX_ANSWER_BYTES)).toString('utf8');
  const answer = checkInAnswerSchema.safeParse(readJson(text));
  if (answer.success) return answer.data;
  throw new AgentError('agent/answer', `${url} answered with something else than a decision`);
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
