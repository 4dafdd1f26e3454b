import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { ExpectedError } from '../../core/errors.ts';
import type { AgentContext } from '../context.ts';
import { VERBS } from '../legal-verbs.ts';
import { amongReaders, asOnlyAgent } from '../lock.ts';
import { statusOf } from '../status.ts';
import { runVerb } from '../verbs.ts';
import { why } from '../why.ts';
import { begin, beginReboot } from './actions.ts';
import type { Refusal } from './actions.ts';
import { COMMANDS } from './kept-command.ts';
import { updatesStatus } from './updates-status.ts';

type Answer = { readonly status: number; readonly body?: unknown };
type Route = (query: URLSearchParams) => Promise<Answer>;

const MUTE_MS = 60_000;
/** Somebody may be reading at this very moment. */
const PATIENCE_MS = 250;

/** The API for callers that somebody else listens for: who may call was decided there. Each connection carries one request. */
export class ApiServer {
  readonly #server: Server;
  readonly #begun = new Set<Promise<void>>();
  /** Connected, and nothing was asked yet; each with what ends its time for that. */
  readonly #mute = new Map<Socket, NodeJS.Timeout>();

  constructor(context: AgentContext) {
    const routes = routesOf(context, (work) => {
      this.#track(work);
    });
    this.#server = createServer((request, response) => {
      // What it asks for may take its time.
      clearTimeout(this.#mute.get(request.socket));
      this.#mute.delete(request.socket);
      response.shouldKeepAlive = false;
      // Whoever hangs up does not thereby call off what it asked for.
      this.#track(
        respond(routes, request, response).catch((error: unknown) => {
          context.onEvent('api-failed', { message: error instanceof Error ? error.stack : error });
          const body = refusalBody('internal', 'this is a bug in tidegate');
          send(response, { status: 500, body });
        }),
      );
    });
  }

  /** Takes a connection of which nothing was read yet; settles when it is closed and nothing that was begun is under way. */
  async serve(connection: Socket): Promise<void> {
    const closed = new Promise((resolve) => {
      connection.on('close', resolve);
    });
    const timer = setTimeout(() => connection.destroy(), MUTE_MS);
    this.#mute.set(connection, timer);
    this.#server.emit('connection', connection);
    connection.resume();
    await closed;
    clearTimeout(timer);
    this.#mute.delete(connection);
    await Promise.all(this.#begun);
  }

  /** Turns away who has asked nothing yet. */
  stop(): void {
    for (const connection of this.#mute.keys()) connection.destroy();
  }

  #track(work: Promise<void>): void {
    this.#begun.add(work);
    void work.then(() => this.#begun.delete(work));
  }
}

/** `goesOn` is told of work that goes on after its answer. */
function routesOf(
  context: AgentContext,
  goesOn: (work: Promise<void>) => void,
): ReadonlyMap<string, Route> {
  const { stateFolder } = context.config;
  const { variant, arch } = context.config.host;
  const alone = <T>(work: () => Promise<T>) => asOnlyAgent(stateFolder, work, PATIENCE_MS);
  const routes = new Map<string, Route>([
    [
      'GET /updates/status',
      async () => {
        const status = await amongReaders(stateFolder, () => updatesStatus(context));
        return status === null
          ? { status: 404, body: refusalBody('agent/not-there', 'no updates were asked for yet') }
          : { status: 200, body: status };
      },
    ],
    [
      'GET /os',
      async () => {
        const { active } = await context.slots.read();
        const version = active?.release.version ?? '';
        const names = { variant_id: variant, version_id: version, build_id: version, arch };
        return { status: 200, body: { pretty_name: `${variant} ${version}`, ...names } };
      },
    ],
    ['POST /actions/reboot', async () => answerOf(await beginReboot(context))],
    ['GET /v1/status', async () => ({ status: 200, body: await statusOf(context) })],
    ['GET /v1/why', async () => ({ status: 200, body: await alone(() => why(context)) })],
  ]);
  for (const command of COMMANDS) {
    const name = command === 'refresh' ? 'refresh-updates' : `${command}-update`;
    routes.set(`POST /actions/${name}`, async () => {
      const { refusal, ended } = await begin(context, command);
      goesOn(ended);
      return answerOf(refusal);
    });
  }
  for (const verb of VERBS) {
    routes.set(`POST /v1/verbs/${verb}`, async (query) => {
      const insists = query.get('retry') === 'true';
      const result = await alone(() => runVerb(context, verb, { insists }));
      return { status: 200, body: result };
    });
  }
  return routes;
}

async function respond(
  routes: ReadonlyMap<string, Route>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  // No route takes a body.
  request.resume();
  const url = URL.parse(request.url ?? '/', 'http://localhost');
  if (url === null) {
    send(response, { status: 400, body: refusalBody('usage/route', 'that is no path') });
    return;
  }
  const { pathname, searchParams } = url;
  const route = routes.get(`${request.method} ${pathname}`);
  if (route === undefined) {
    const methods = ['GET', 'POST'].filter((method) => routes.has(`${method} ${pathname}`));
    const message = `there is no ${request.method} ${pathname}`;
    if (methods.length > 0) response.setHeader('allow', methods.join(', '));
    const status = methods.length > 0 ? 405 : 404;
    send(response, { status, body: refusalBody('usage/route', message) });
    return;
  }
  try {
    send(response, await route(searchParams));
  } catch (error) {
    if (!(error instanceof ExpectedError)) throw error;
    const { code, message, hints } = error;
    send(response, { status: statusFor(code), body: refusalBody(code, message, hints) });
  }
}

function statusFor(code: string): number {
  if (code === 'agent/locked') return 423;
  if (code === 'agent/illegal-verb' || code === 'agent/not-done') return 409;
  return code === 'agent/unreachable' ? 502 : 500;
}

function answerOf(refusal: Refusal | null): Answer {
  if (refusal === null) return { status: 204 };
  return { status: refusal.status, body: refusalBody('agent/refused', refusal.message) };
}

function refusalBody(code: string, message: string, hints: readonly string[] = []) {
  return { error: { code, message, hints } };
}

function send(response: ServerResponse, { status, body }: Answer): void {
  if (response.headersSent) return;
  if (body === undefined) response.writeHead(status).end();
  else response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
