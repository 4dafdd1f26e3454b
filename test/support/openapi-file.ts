import { join } from 'node:path';
import { openApiDocument } from '../../server/openapi/document.ts';

/** Where the description of the HTTP interface is kept for those who run no server. */
export const OPENAPI_FILE = join(import.meta.dirname, '..', '..', 'docs', 'openapi.json');

/** Its content, as `npm run openapi` writes it. */
export function openApiText(): string {
  return `${JSON.stringify(openApiDocument(), null, 2)}\n`;
}
