import { checkInAnswerSchema } from '../core/check-in.ts';
import type { CheckIn, CheckInAnswer } from '../core/check-in.ts';
import { AgentError } from './errors.ts';
import { readBody, send } from './http.ts';

const MAX_ANSWER_BYTES = 64 * 1024;

/** Asks the server. Its answer is a hint: nothing is done because of it that signed files do not allow. */
export async function checkIn(
  serverUrl: string,
  request: CheckIn,
  signal: AbortSignal | undefined,
): Promise<CheckInAnswer> {
  const url = `${serverUrl}api/v1/check-in`;
  const response = await send(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(request),
    signal,
  });
  const text = (await readBody(response, url, MAX_ANSWER_BYTES)).toString('utf8');
  if (response.status !== 200) {
    const code = response.status >= 500 ? 'agent/unreachable' : 'agent/answer';
    throw new AgentError(code, `${url} answered ${response.status}: ${text.slice(0, 300)}`);
  }
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
