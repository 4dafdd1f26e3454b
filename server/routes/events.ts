import { Router } from 'express';
import type { Request, Response } from 'express';
import { refuseMethod } from '../answer-errors.ts';
import type { Context } from '../context.ts';
import type { ServerEvent } from '../event-log.ts';

type EventsContext = Pick<Context, 'events' | 'startTimer'>;

/** Proxies and clients take a connection for dead on which nothing comes for long. */
const HEARTBEAT_MS = 15_000;
/** How soon a client that lost the connection comes back. */
const RETRY_MS = 2000;
/** A client that does not read its events must not fill the memory: it is ended, and comes back for the rest. */
const MOST_UNREAD_BYTES = 1024 * 1024;

/** What happens, as it happens (server-sent events), and what happened since the header Last-Event-ID. */
export function eventsRoute(context: EventsContext): Router {
  const router = Router();
  router
    .route('/api/v1/events')
    .get((request, response) => {
      follow(context, request, response);
    })
    .all(refuseMethod('GET'));
  return router;
}

function follow({ events, startTimer }: EventsContext, request: Request, response: Response) {
  const write = (text: string) => {
    response.write(text);
    if (response.writableLength > MOST_UNREAD_BYTES) response.destroy();
  };
  const client = {
    send: (event: ServerEvent) => {
      write(textOf(event));
    },
    end: () => {
      response.end();
    },
  };
  // Before the headers: a server that takes no more clients answers with a problem.
  const { missed, leave } = events.follow(client, request.get('last-event-id') ?? null);
  response.writeHead(200, {
    'Content-Type': 'text/event-stream',
    'Cache-Control': 'no-store',
    // nginx would keep events back until it has a buffer full of them.
    'X-Accel-Buffering': 'no',
  });
  write(`retry: ${RETRY_MS}\n\n${missed.map(textOf).join('')}`);
  let stopHeart = () => {};
  const rest = () => {
    stopHeart = startTimer(() => {
      write(':\n\n');
      rest();
    }, HEARTBEAT_MS);
  };
  rest();
  response.once('close', () => {
    stopHeart();
    leave();
  });
}

function textOf({ id, name, data }: ServerEvent): string {
  return `id: ${id}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}
