import { Command, CommanderError } from 'commander';
import { ExpectedError } from '../core/errors.ts';
import type { Io } from '../adapters/terminal/io.ts';

/** Exit codes: 0 it worked, 1 it failed, 2 it was called wrongly. */
const FAILED = 1;
const CALLED_WRONGLY = 2;

function buildProgram(io: Io): Command {
  const program = new Command('tidegate')
    .description('Publish, roll out and install OS images, safely')
    .showHelpAfterError('(see --help)');
  configure(program, io);
  return program;
}

/** Settings that commander does not pass on to commands made elsewhere. */
function configure(command: Command, io: Io): void {
  command.exitOverride().configureOutput({
    writeOut: (text) => io.stdout.write(text),
    writeErr: (text) => io.stderr.write(text),
    outputError: (text, write) => write(text.replace(/^error: /, 'tidegate: error: ')),
  });
  command.commands.forEach((child) => {
    configure(child, io);
  });
}

function report(error: unknown, io: Io): number {
  if (error instanceof CommanderError) {
    return error.exitCode === 0 ? 0 : CALLED_WRONGLY;
  }
  if (error instanceof ExpectedError) {
    io.stderr.write(`tidegate: error: ${error.message}\n`);
    error.hints.forEach((hint) => io.stderr.write(`tidegate: hint: ${hint}\n`));
    return error.code.startsWith('usage/') ? CALLED_WRONGLY : FAILED;
  }
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  io.stderr.write(`tidegate: error: this is a bug in tidegate, please report it\n${detail}\n`);
  return FAILED;
}

/** Runs one command line (without `node` and the script) and returns the exit code; never throws. */
export async function runCli(argv: readonly string[], io: Io): Promise<number> {
  try {
    await buildProgram(io).parseAsync([...argv], { from: 'user' });
    return 0;
  } catch (error) {
    return report(error, io);
  }
}
