import { Command, CommanderError } from 'commander';
import type { Io } from '../adapters/terminal/io.ts';
import { CALLED_WRONGLY, failureOf } from './failure.ts';

/** The command `tidegate` before anything is in it. */
export function newProgram(description: string): Command {
  return new Command('tidegate').description(description).showHelpAfterError('(see --help)');
}

/** A command that only holds others. */
export function groupOf(name: string, description: string, commands: readonly Command[]): Command {
  const parent = new Command(name).description(description);
  commands.forEach((command) => parent.addCommand(command));
  return parent;
}

/** Runs one command line (without `node` and the script) and returns the exit code; never throws. */
export async function runCommandLine(
  program: Command,
  argv: readonly string[],
  io: Io,
): Promise<number> {
  configure(program, io);
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return 0;
  } catch (error) {
    // Commander has said what was wrong with the command line already.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : CALLED_WRONGLY;
    const { exitCode, lines } = failureOf(error);
    lines.forEach((line) => io.stderr.write(`${line}\n`));
    return exitCode;
  }
}

/** Settings that commander does not pass on to commands made elsewhere. */
function configure(command: Command, io: Io): void {
  command.exitOverride().configureOutput({
    writeOut: (text) => io.stdout.write(text),
    writeErr: (text) => io.stderr.write(text),
    outputError: (text, write) => {
      write(text.replace(/^error: /, 'tidegate: error: '));
    },
  });
  command.commands.forEach((child) => {
    configure(child, io);
  });
}
