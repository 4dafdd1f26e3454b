import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { stringify } from 'csv-stringify';
import type { Response } from 'express';
import type { HostFilter, State } from '../adapters/state/state.ts';
import { hostJson } from './host-json.ts';

const PAGE = { limit: 500, scan: 20_000 };

const COLUMNS = [
  ...['id', 'variant', 'arch', 'version', 'seed', 'group', 'labels', 'state', 'firstSeen'],
  'lastSeen',
];

/**
 * Sends every host that fits as CSV (RFC 4180), at the speed of the client; labels are a JSON object. What a spreadsheet
 * would take for a formula gets an apostrophe before it: hosts choose their own names.
 */
export async function sendHostsCsv(
  state: Pick<State, 'findHosts'>,
  filter: HostFilter,
  response: Response,
): Promise<void> {
  const first = await state.findHosts(filter, { ...PAGE, after: null });
  response.setHeader('Content-Type', 'text/csv; charset=utf-8; header=present');
  response.setHeader('Content-Disposition', 'attachment; filename="hosts.csv"');
  const rows = async function* () {
    for (let page = first; ; page = await state.findHosts(filter, { ...PAGE, after: page.next })) {
      for (const host of page.hosts) {
        const { labels, ...rest } = hostJson(host);
        yield { ...rest, labels: JSON.stringify(labels) };
      }
      if (page.next === null) return;
    }
  };
  const csv = stringify({ header: true, columns: COLUMNS, escape_formulas: true });
  await pipeline(Readable.from(rows()), csv, response);
}
