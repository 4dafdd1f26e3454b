import { EventSourceParserStream } from 'eventsource-parser/stream';
import type { ServerTarget } from './call.ts';

/** Calls back for every event of the server until `signal` aborts. Returns when there are no more; never throws. */
export async function followEvents(
  { url, token }: ServerTarget,
  onEvent: (name: string, data: string) => void,
  signal: AbortSignal,
): Promise<void> {
  try {
    const response = await fetch(`${url.replace(/\/+$/, '')}/api/v1/events`, {
      headers: { authorization: `Bearer ${token}`, accept: 'text/event-stream' },
      signal,
    });
    if (!response.ok || response.body === null) return;
    const events = response.body
      .pipeThrough(new TextDecoderStream())
      .pipeThrough(new EventSourceParserStream());
    for await (const { event = 'message', data } of events) onEvent(event, data);
  } catch {
    // Events only hurry: whoever follows them asks again after a while anyway.
  }
}
