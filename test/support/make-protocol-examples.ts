import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { protocolExamples, withExamples } from './protocol-examples.ts';

// `npm run docs`: writes the examples that test/protocol.test.ts compares.
const path = join(import.meta.dirname, '..', '..', 'docs', 'protocol.md');
await writeFile(path, withExamples(await readFile(path, 'utf8'), await protocolExamples()));
