import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { readTranscript, runTranscript } from './support/transcript.ts';

const ROOT = join(import.meta.dirname, '..');

describe('README.md', () => {
  it("shows a first release of one's own that works as it is written", async () => {
    const steps = readTranscript(readFileSync(join(ROOT, 'README.md'), 'utf8'));
    expect(steps.length).toBeGreaterThan(10);
    const folder = mkdtempSync(join(tmpdir(), 'tidegate-readme-'));
    try {
      const results = await runTranscript(steps, { cwd: folder, path: join(ROOT, 'bin') });
      expect(results.map(({ shown }) => shown)).toEqual(steps.map(({ shown }) => shown));
    } finally {
      rmSync(folder, { recursive: true });
    }
  }, 180_000);
});
