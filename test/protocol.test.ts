import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { protocolExamples, withExamples } from './support/protocol-examples.ts';

describe('docs/protocol.md', () => {
  it('shows what the code makes; `npm run docs` writes it anew', async () => {
    const markdown = await readFile(join(import.meta.dirname, '..', 'docs', 'protocol.md'), 'utf8');
    const examples = await protocolExamples();
    expect(withExamples(markdown, examples)).toBe(markdown);
    const shown = [...markdown.matchAll(/<!-- example: ([a-z-]+) -->/g)].map(([, name]) => name);
    expect(new Set(shown)).toEqual(new Set(Object.keys(examples)));
  });
});
