import { spawn } from 'node:child_process';
import { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { WORKER } from '../daemon/messages.ts';
import { supervise } from '../daemon/supervise.ts';
import type { Child } from '../daemon/worker-process.ts';
import { configOption } from './config-option.ts';
import type { AgentOptions } from './config-option.ts';

export function agentRunCommand(io: Io): Command {
  return new Command('run')
    .description('poll cycles until a signal ends it; events go to stderr as JSON lines')
    .addOption(configOption())
    .addHelpText('after', '\nExample:\n  tidegate agent run')
    .action((options: AgentOptions) =>
      supervise({
        start: () => startWorker(io, options),
        signal: io.signal,
        onEvent: (msg, details) => {
          io.stderr.write(`${JSON.stringify({ time: io.now().getTime(), ...details, msg })}\n`);
        },
      }),
    );
}

/** This program again, as the worker. */
function startWorker({ program, cwd }: Io, { config }: AgentOptions): Child {
  const [file, ...rest] = program ?? [];
  if (file === undefined) throw new Error('nobody said how this program is started');
  const options = config === undefined ? [] : ['--config', config];
  return spawn(file, [...rest, 'agent', WORKER, ...options], {
    cwd,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
}
