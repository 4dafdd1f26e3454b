import { z } from 'zod';
import { readServerToken } from '../../adapters/terminal/server-record.ts';
import type { Io } from '../../adapters/terminal/io.ts';
import { auditPageSchema, MAX_AUDIT_PAGE } from '../../core/operator-api.ts';
import { callServer, ServerError } from '../control/call.ts';
import type { ServerTarget } from '../control/call.ts';
import { UsageError } from '../usage.ts';

/** Entries that somebody tampered with must come through, so that they can be named. */
const pageSchema = auditPageSchema.extend({ entries: z.array(z.unknown()) });

/** The server whose log an option or TIDEGATE_SERVER names. */
export async function auditServer(io: Io, option: string | undefined): Promise<ServerTarget> {
  const url = option ?? io.env['TIDEGATE_SERVER'];
  if (url === undefined) {
    throw new UsageError('usage/option', 'give --server, the server whose audit log it is', {
      hints: ['--server http://127.0.0.1:8080, or TIDEGATE_SERVER'],
    });
  }
  return { url, token: await readServerToken(url, io.env) };
}

/** The sequence of the last entry of a server's log; 0 before the first one. */
export async function lastSequence(server: ServerTarget): Promise<number> {
  const { head } = await readPage(server, { after: 0, limit: 1 });
  return head?.sequence ?? 0;
}

/** The entries behind `after`, as the server has them, one page after the other; `most` of them in all. */
export async function* serverLog(
  server: ServerTarget,
  { after, most = Number.POSITIVE_INFINITY }: { readonly after: number; readonly most?: number },
): AsyncGenerator<readonly unknown[]> {
  let last = after;
  for (let left = most; left > 0;) {
    const limit = Math.min(left, MAX_AUDIT_PAGE);
    const { entries } = await readPage(server, { after: last, limit });
    if (entries.length > 0) yield entries;
    if (entries.length < limit) return;
    last = nextAfter(entries.at(-1), last);
    left -= entries.length;
  }
}

function readPage(
  server: ServerTarget,
  { after, limit }: { readonly after: number; readonly limit: number },
) {
  const path = `audit?after=${after}&limit=${limit}`;
  return callServer(server, { method: 'GET', path }, pageSchema);
}

/** A page that leads nowhere would be asked for again and again. */
function nextAfter(entry: unknown, before: number): number {
  const sequence = z.object({ sequence: z.int() }).safeParse(entry).data?.sequence;
  if (sequence !== undefined && sequence > before) return sequence;
  throw new ServerError('server/answer', `entries of the audit log do not go on after ${before}`);
}
