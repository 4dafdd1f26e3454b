// Says after a run which suites did not take part because they need real parts.
import { globSync } from 'node:fs';
import { join, relative } from 'node:path';

const ROOT = join(import.meta.dirname, '..', '..');

export default class LeftOutReporter {
  onRunComplete(_contexts, { testResults }) {
    const run = new Set(testResults.map(({ testFilePath }) => relative(ROOT, testFilePath)));
    const leftOut = globSync('test/**/*.real.test.ts', { cwd: ROOT }).filter(
      (file) => !run.has(file),
    );
    if (leftOut.length === 0) return;
    process.stderr.write(
      `Left out, because they need real parts (npm run test:real):\n${leftOut.map((file) => `  ${file}\n`).join('')}`,
    );
  }
}
