import { agentCommands } from './agent-commands.ts';
import { newProgram, runCommandLine } from './command-line.ts';
import { processIo } from './process-io.ts';

const io = processIo();
const program = newProgram('The part of Tidegate that hosts run').addCommand(agentCommands(io));

// A promise and no await: one file for hosts is a CommonJS module, which has none at its top.
void runCommandLine(program, process.argv.slice(2), io).then((exitCode) => {
  process.exitCode = exitCode;
});
