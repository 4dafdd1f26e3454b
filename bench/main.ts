// npm run bench -- publish|check-in|reports|pause|disk|s3|install|poll [options]    the last line is JSON
import { benchCheckIn } from './check-in.ts';
import { benchDisk } from './disk.ts';
import { benchInstall } from './install.ts';
import { BenchUsageError } from './options.ts';
import { benchPause } from './pause.ts';
import { benchPoll } from './poll.ts';
import { benchPublish } from './publish.ts';
import { benchReports } from './reports.ts';
import { benchS3 } from './s3.ts';

type Bench = (print: (line: string) => void, argv: readonly string[]) => Promise<object>;

const BENCHES: ReadonlyMap<string, Bench> = new Map([
  ['publish', benchPublish],
  ['check-in', benchCheckIn],
  ['reports', benchReports],
  ['pause', benchPause],
  ['disk', benchDisk],
  ['s3', benchS3],
  ['install', benchInstall],
  ['poll', benchPoll],
]);

const [name = '', ...argv] = process.argv.slice(2);
try {
  const result = await benchOf(name)((line) => process.stderr.write(`${line}\n`), argv);
  process.stdout.write(`${JSON.stringify(result)}\n`);
} catch (error) {
  if (!isUsage(error)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}

function benchOf(wanted: string): Bench {
  const bench = BENCHES.get(wanted);
  if (bench !== undefined) return bench;
  throw new BenchUsageError(`Usage: npm run bench -- ${[...BENCHES.keys()].join('|')} [options]`);
}

/** `parseArgs` has its own codes for what it does not know. */
function isUsage(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error ? String(error.code) : '';
  return error instanceof BenchUsageError || code.startsWith('ERR_PARSE_ARGS');
}
