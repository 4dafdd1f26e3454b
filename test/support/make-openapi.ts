import { writeFile } from 'node:fs/promises';
import { openApiText, OPENAPI_FILE } from './openapi-file.ts';

// `npm run openapi`: writes the document that test/server/openapi.test.ts compares.
await writeFile(OPENAPI_FILE, openApiText());
