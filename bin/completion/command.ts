import { Argument, Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { completionScript, SHELLS } from './scripts.ts';
import type { Shell } from './scripts.ts';
import { completionNodes } from './tree.ts';

/** Prints a script for a shell; it knows the commands of the program that it is part of. */
export function completionCommand({ stdout }: Io): Command {
  const command = new Command('completion')
    .description('a script that lets a shell complete commands and options')
    .addArgument(new Argument('<shell>', 'which shell').choices(SHELLS))
    .addHelpText(
      'after',
      '\nExample:\n  source <(tidegate completion bash)\n  tidegate completion fish > ~/.config/fish/completions/tidegate.fish',
    );
  return command.action((shell: Shell) => {
    const { parent } = command;
    if (parent !== null) stdout.write(completionScript(shell, completionNodes(parent)));
  });
}
