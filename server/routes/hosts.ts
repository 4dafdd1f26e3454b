import { Router } from 'express';
import type { Request, Response } from 'express';
import type { HostFilter } from '../../adapters/state/state.ts';
import { hostQuerySchema } from '../../core/host-view.ts';
import type { HostQuery } from '../../core/host-view.ts';
import { refuseMethod } from '../answer-errors.ts';
import type { Context } from '../context.ts';
import { RequestError } from '../errors.ts';
import { sendHostsCsv } from '../host-csv.ts';
import { hostCursor, readHostCursor } from '../host-cursor.ts';
import { hostJson } from '../host-json.ts';
import { parseQuery } from '../request-query.ts';

type HostsContext = Pick<Context, 'state' | 'writeBehind'>;

/** Hosts that one page looks at, so that a search for few of many hosts is spread over several requests. */
const SCAN = 20_000;

/** Hosts by what they are and where they stand: a page as JSON, or all of them as CSV. */
export function hostsRoute(context: HostsContext): Router {
  const router = Router();
  router
    .route('/api/v1/hosts')
    .get((request, response) => search(context, request, response))
    .all(refuseMethod('GET'));
  return router;
}

async function search({ state, writeBehind }: HostsContext, request: Request, response: Response) {
  const query = parseQuery(request, hostQuerySchema);
  const filter = filterOf(query);
  const after = query.cursor === undefined ? null : readHostCursor(filter, query.cursor);
  // So that whoever looks sees the polls that were answered before.
  await writeBehind.flush();
  response.setHeader('Cache-Control', 'no-store');
  response.setHeader('Vary', 'Accept');
  if ((query.format ?? request.accepts('json', 'csv')) === 'csv') {
    await sendHostsCsv(state, filter, response);
    return;
  }
  const { hosts, next } = await state.findHosts(filter, { after, limit: query.limit, scan: SCAN });
  response.json({
    hosts: hosts.map(hostJson),
    next: next === null ? null : hostCursor(filter, next),
  });
}

function filterOf(query: HostQuery): HostFilter {
  const { variant, arch, version, group, state, idPrefix, rolloutId, progress, label } = query;
  if (progress !== undefined && rolloutId === undefined) {
    throw new RequestError('request/invalid', 'progress: needs the rolloutId that it is about');
  }
  const labels = new Map(
    label.map((text) => {
      const at = text.indexOf('=');
      return [text.slice(0, at), text.slice(at + 1)] as const;
    }),
  );
  if (labels.size < label.length) {
    throw new RequestError('request/invalid', 'label: a host has one value of each, got one twice');
  }
  return {
    ...{ variant, arch, version, group, state, idPrefix },
    labels: Object.fromEntries(labels),
    rollout: rolloutId === undefined ? undefined : { id: rolloutId, progress },
  };
}
