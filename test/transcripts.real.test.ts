import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { readTranscript, runTranscript } from './support/transcript.ts';

const ROOT = join(import.meta.dirname, '..');

describe('a transcript in the documentation', () => {
  it.concurrent.each([
    ...['README.md', 'docs/ceremony.md', 'docs/publishing.md', 'docs/keys.md', 'docs/api.md'],
    'docs/operations.md',
  ])(
    'works as it is written in %s',
    async (document) => {
      const steps = readTranscript(readFileSync(join(ROOT, document), 'utf8'));
      expect(steps.length).toBeGreaterThan(10);
      const folder = mkdtempSync(join(tmpdir(), 'tidegate-transcript-'));
      try {
        const results = await runTranscript(steps, { cwd: folder, path: join(ROOT, 'bin') });
        expect(results).toEqual(steps);
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
    900_000,
  );
});
