import type { RequestHandler } from 'express';
import type { Context } from './context.ts';

/** Measures how long answers take, by route and not by path. */
export function measure({ metrics }: Pick<Context, 'metrics'>): RequestHandler {
  return (request, response, next) => {
    const startedMs = performance.now();
    response.once('close', () => {
      // Express sets the route once one matches; @types/express says any, so only text is taken.
      const route: unknown = request.route;
      const labels = { method: methodOf(request.method), status: response.statusCode };
      metrics.duration.observe(
        { ...labels, route: pathOf(route) },
        (performance.now() - startedMs) / 1000,
      );
    });
    next();
  };
}

function pathOf(route: unknown): string {
  const hasPath = typeof route === 'object' && route !== null && 'path' in route;
  return hasPath && typeof route.path === 'string' ? route.path : 'none';
}

/** Clients may invent methods: they must not invent labels. */
function methodOf(method: string): string {
  return ['GET', 'HEAD', 'POST'].includes(method) ? method : 'other';
}
