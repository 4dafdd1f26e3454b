import { pipeline } from 'node:stream/promises';
import { Router } from 'express';
import type { Request, Response } from 'express';
import { StorageError } from '../../adapters/storage/storage.ts';
import type { ObjectStat, StoredObject } from '../../adapters/storage/storage.ts';
import { isTargetName } from '../../core/tuf/names.ts';
import { refuseMethod } from '../answer-errors.ts';
import type { Context } from '../context.ts';
import { RequestError } from '../errors.ts';
import { entityTag, isNotModified, rangeOf } from '../http-object.ts';

type RepositoryContext = Pick<Context, 'storage' | 'metrics' | 'updog' | 'now' | 'log'>;

type Found = {
  /** Its name in the storage. */
  readonly object: string;
  readonly contentType: string;
  readonly cacheControl: string;
};

/** Other answers may be kept for ever: these names never change their content. */
const IMMUTABLE = 'public, max-age=31536000, immutable';

/** The repository as hosts fetch it: `metadata/` and `targets/`, with Range and ETag, from any storage. */
export function repositoryRoute(context: RepositoryContext): Router {
  const router = Router();
  router
    .route('/repo/metadata/:name')
    .get((request, response) => serve(context, metadataOf(request.params.name), request, response))
    .all(refuseMethod('GET', 'HEAD'));
  router
    .route('/repo/targets/:name')
    .get((request, response) => serve(context, targetOf(request.params.name), request, response))
    .all(refuseMethod('GET', 'HEAD'));
  return router;
}

function metadataOf(name: string): Found {
  const isVersioned = /^[1-9]\d{0,15}\.[a-z][a-z0-9._-]{0,127}\.json$/.test(name);
  if (!isVersioned && name !== 'timestamp.json') throw notThere(name);
  return {
    object: `metadata/${name}`,
    contentType: 'application/json',
    cacheControl: isVersioned ? IMMUTABLE : 'no-cache',
  };
}

function targetOf(name: string): Found {
  const [, target = ''] = /^[0-9a-f]{64}\.(.+)$/.exec(name) ?? [];
  if (!isTargetName(target)) throw notThere(name);
  return {
    object: `targets/${name}`,
    contentType: 'application/octet-stream',
    cacheControl: IMMUTABLE,
  };
}

async function serve(
  context: RepositoryContext,
  found: Found,
  request: Request,
  response: Response,
): Promise<void> {
  countUpdog(context, request);
  const { storage } = context;
  const { object } = found;
  const stat = await storage.stat(object);
  setHeaders(response, found, stat);
  if (isNotModified(request.headers, entityTag(stat))) {
    response.status(304).end();
    return;
  }
  const range = rangeOf(request.headers, stat);
  if (range.kind === 'unsatisfiable') {
    response.setHeader('Content-Range', `bytes */${stat.size}`);
    response.status(416).end();
    return;
  }
  if (request.method === 'HEAD') {
    response.setHeader('Content-Length', stat.size);
    response.end();
    return;
  }
  if (range.kind === 'part') {
    const { start, end } = range;
    const part = await storage.get(object, { start, end });
    if (part.etag === stat.etag) {
      response.status(206).setHeader('Content-Range', `bytes ${start}-${end}/${stat.size}`);
      await send(context, part, end - start + 1, response);
      return;
    }
    // Replaced in between: a part of the new object would not fit to what the client has.
    await discard(part);
  }
  const whole = await storage.get(object);
  setHeaders(response, found, whole);
  await send(context, whole, whole.size, response);
}

function setHeaders(response: Response, found: Found, stat: ObjectStat): void {
  response.setHeader('Content-Type', found.contentType);
  response.setHeader('Cache-Control', found.cacheControl);
  response.setHeader('Accept-Ranges', 'bytes');
  response.setHeader('ETag', entityTag(stat));
}

/** At the speed of the client; whoever breaks off first, the other side is closed. */
async function send(
  { log }: RepositoryContext,
  { body }: StoredObject,
  length: number,
  response: Response,
): Promise<void> {
  response.setHeader('Content-Length', length);
  try {
    await pipeline(body, response);
  } catch (error) {
    // A client that goes away is no event.
    if (!(error instanceof StorageError)) return;
    log.warn({ path: response.req.path, err: error }, 'object broken off');
  }
}

/** An untouched body may hold a connection. */
async function discard({ body }: StoredObject): Promise<void> {
  for await (const _chunk of body) break;
}

/** updog adds its seed and version to every request; they change nothing here. */
function countUpdog({ metrics, updog, now }: RepositoryContext, { query }: Request): void {
  if (updog.note(query, now())) metrics.updogRequests.inc();
}

function notThere(name: string): RequestError {
  return new RequestError('request/not-there', `there is no ${name.slice(0, 200)}`);
}
