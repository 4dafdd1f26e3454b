import { hostPageSchema } from '../core/host-view.ts';
import type { HostPage } from '../core/host-view.ts';
import { callServer } from './control/call.ts';
import type { ServerTarget } from './control/call.ts';

const PAGE = 1000;

/** The hosts of a server that fit, in the order of their ids, a page at a time and none larger than `limit`. */
export async function* hostPages(
  target: ServerTarget,
  filter: URLSearchParams,
  limit: number = PAGE,
): AsyncGenerator<HostPage, void> {
  const query = new URLSearchParams(filter);
  query.set('limit', String(Math.min(PAGE, limit)));
  for (;;) {
    const path = `hosts?${query.toString()}`;
    const page = await callServer(target, { method: 'GET', path }, hostPageSchema);
    yield page;
    if (page.next === null) return;
    query.set('cursor', page.next);
  }
}
