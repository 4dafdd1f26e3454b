import { Command, Option } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { DurationError, parseDuration } from '../../core/duration.ts';
import { CHECK_NAMES, checkConformance } from '../slots/conformance/run.ts';
import type { CheckResult } from '../slots/conformance/run.ts';
import { ConformanceError } from '../slots/conformance/errors.ts';

type Options = {
  readonly yes?: boolean;
  readonly image: readonly string[];
  readonly only?: readonly string[];
  readonly timeout: string;
  readonly json?: boolean;
};

export function agentSlotsConformanceCommand(io: Io): Command {
  return new Command('conformance')
    .description('check a program that drives slots; what the slot that does not run holds is lost')
    .argument('<program...>', 'the program and its arguments, behind --')
    .option('--yes', 'lose what the slots hold; needed')
    .option('--image <name...>', 'two images that a slot has a place for', ['boot', 'root'])
    .addOption(new Option('--only <check...>', 'only these checks').choices(CHECK_NAMES))
    .option('--timeout <duration>', 'how long the program may be silent', '30 seconds')
    .option('--json', 'print all results once more, as a last line of JSON')
    .addHelpText(
      'after',
      [
        '\nExample:',
        '  tidegate agent slots conformance --yes --json -- /usr/lib/tidegate/slots.sh /etc/slots.conf',
      ].join('\n'),
    )
    .action((program: readonly string[], options: Options) => conformance(io, program, options));
}

async function conformance(
  io: Io,
  [file = '', ...args]: readonly string[],
  { yes, image, only = CHECK_NAMES, timeout, json }: Options,
): Promise<void> {
  if (yes !== true) {
    throw new ConformanceError(
      'usage/option',
      'the checks overwrite the slot that does not run, and both where neither runs: say --yes',
    );
  }
  const results: CheckResult[] = [];
  const program = { program: [file, ...args], timeoutMs: timeoutOf(timeout) } as const;
  for await (const result of checkConformance(program, { images: imagesOf(image), only })) {
    results.push(result);
    const why = result.why === null ? '' : `\n  ${result.duty}\n  ${result.why}`;
    io.stdout.write(`${result.result} ${result.name}${why}\n`);
  }
  const count = (wanted: CheckResult['result']) =>
    results.filter(({ result }) => result === wanted).length;
  const [passed, failed, notRun] = [count('passed'), count('failed'), count('not-run')];
  io.stdout.write(
    json === true
      ? `${JSON.stringify({ passed, failed, notRun, checks: results })}\n`
      : `${passed} passed, ${failed} failed, ${notRun} not run\n`,
  );
  if (failed > 0) {
    throw new ConformanceError('conformance/failed', `${file} failed ${failed} checks`);
  }
}

function imagesOf(names: readonly string[]): readonly [string, string] {
  const [first, second, ...more] = names;
  if (first !== undefined && second !== undefined && first !== second && more.length === 0) {
    return [first, second];
  }
  throw new ConformanceError('usage/option', `--image must be two names, got ${names.join(' ')}`);
}

function timeoutOf(text: string): number {
  try {
    return parseDuration(text);
  } catch (cause) {
    if (!(cause instanceof DurationError)) throw cause;
    throw new ConformanceError('usage/option', `--timeout: ${cause.message}`, { cause });
  }
}
