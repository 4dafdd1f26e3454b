import type { Command } from 'commander';
import { agentRunCommand } from '../agent/commands/run.ts';
import { groupOf, newProgram, runCommandLine } from './command-line.ts';
import { processIo } from './process-io.ts';

const io = processIo();
const argv = process.argv.slice(2);

/** A host has the daemon in memory for as long as it is up: nothing that it does without is loaded for it. */
async function commands(): Promise<Command> {
  const [group, command] = argv;
  if (group === 'agent' && command === 'run') {
    return groupOf('agent', 'the program on a host', [agentRunCommand(io)]);
  }
  const { agentCommands } = await import('./agent-commands.ts');
  return agentCommands(io);
}

async function main(): Promise<number> {
  const program = newProgram('The part of Tidegate that hosts run').addCommand(await commands());
  return runCommandLine(program, argv, io);
}

// A promise and no await: one file for hosts is a CommonJS module, which has none at its top.
void main().then((exitCode) => {
  process.exitCode = exitCode;
});
