import { once } from 'node:events';
import { chmod, rm } from 'node:fs/promises';
import { createServer, request as ask } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { errnoOf } from '../../adapters/storage/file-errors.ts';
import { ExpectedError } from '../../core/errors.ts';
import type { AgentContext } from '../context.ts';
import { onDisk } from '../durable.ts';
import { AgentError } from '../errors.ts';
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

const ALIVE_MS = 1000;
/** Somebody may be reading at this very moment. */
const PATIENCE_MS = 250;

/**
 * Serves the API on a Unix socket until it is disposed of, which waits for what was begun. Who may use it is decided by the
 * mode of the socket. Throws `agent/config` if another process serves there.
 */
export async function serveApi(
  context: AgentContext,
  { socket, mode }: { readonly socket: string; readonly mode: number },
): Promise<AsyncDisposable> {
  await removeStale(socket);
  const begun = new Set<Promise<void>>();
  const routes = routesOf(context, begun);
  const server = createServer((request, response) => {
    void respond(routes, request, response).catch((error: unknown) => {
      context.onEvent('api-failed', { message: error instanceof Error ? error.stack : error });
      send(response, { status: 500, body: refusalBody('internal', 'this is a bug in tidegate') });
    });
  });
  await listen(server, socket, mode);
  return {
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeIdleConnections();
      await Promise.all([once(server, 'close'), ...begun]);
    },
  };
}

function routesOf(context: AgentContext, begun: Set<Promise<void>>): ReadonlyMap<string, Route> {
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
      begun.add(ended);
      void ended.then(() => begun.delete(ended));
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
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
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

/** A socket is left behind by who was killed; one that answers belongs to somebody. */
async function removeStale(socket: string): Promise<void> {
  const isAlive = await new Promise<boolean>((resolve, reject) => {
    const probe = ask({ socketPath: socket, path: '/v1/status', timeout: ALIVE_MS }, (response) => {
      response.resume();
      resolve(true);
    });
    probe.on('timeout', () => probe.destroy(new Error('no answer')));
    probe.on('error', (error) => {
      const errno = errnoOf(error);
      if (errno === 'ENOENT' || errno === 'ECONNREFUSED') resolve(false);
      else if (errno === undefined) resolve(true);
      else reject(new AgentError('agent/config', `cannot use the socket ${socket}: ${errno}`));
    });
    probe.end();
  });
  if (isAlive) throw new AgentError('agent/config', `another process serves ${socket}`);
  await onDisk(`removing ${socket}`, () => rm(socket, { force: true }));
}

async function listen(server: Server, socket: string, mode: number): Promise<void> {
  // Nobody else may connect before the mode is what it shall be.
  const before = process.umask(0o777);
  try {
    server.listen(socket);
  } finally {
    process.umask(before);
  }
  try {
    await once(server, 'listening');
    await chmod(socket, mode);
  } catch (error) {
    server.close();
    const errno = errnoOf(error) ?? 'an unknown error';
    throw new AgentError('agent/config', `cannot serve on ${socket}: ${errno}`, { cause: error });
  }
}
