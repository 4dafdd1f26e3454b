// npm run model [-- --steps N --seed N --no-shrink]    the last line is JSON
import { parseArgs } from 'node:util';
import { runModel } from './run.ts';

const { values } = parseArgs({
  options: {
    steps: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    'no-shrink': { type: 'boolean', default: false },
  },
});
const startedMs = performance.now();
const { violation, foundAfter, seen, ...result } = await runModel({
  steps: Number(values.steps),
  seed: Number(values.seed),
  shortens: !values['no-shrink'],
  onRun: (steps) => process.stderr.write(`\r${steps} steps`),
});
process.stderr.write(`\n${JSON.stringify(seen, null, 2)}\n`);
if (violation !== null) process.stderr.write(`found after ${foundAfter} steps\n${violation}\n`);
const seconds = Math.round((performance.now() - startedMs) / 1000);
process.stdout.write(
  `${JSON.stringify({ ...result, seconds, violations: violation === null ? 0 : 1 })}\n`,
);
process.exitCode = violation === null ? 0 : 1;
