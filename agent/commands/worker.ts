import { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { ExpectedError } from '../../core/errors.ts';
import type { AgentContext } from '../context.ts';
import { WORKER } from '../daemon/messages.ts';
import { workFor } from '../daemon/worker.ts';
import type { Parent } from '../daemon/worker.ts';
import { AgentError } from '../errors.ts';
import { configOption } from './config-option.ts';
import type { AgentOptions } from './config-option.ts';
import { openContext } from './context.ts';

/** The process that `agent run` has do its work; nobody else can start it. */
export function agentWorkerCommand(io: Io): Command {
  return new Command(WORKER)
    .description('what `agent run` starts to do its work')
    .addOption(configOption())
    .action((options: AgentOptions) => work(io, options));
}

async function work(io: Io, options: AgentOptions): Promise<void> {
  if (process.send === undefined) {
    throw new AgentError('agent/worker', 'a worker is started by `tidegate agent run` alone');
  }
  const gone = new AbortController();
  process.on('disconnect', () => {
    gone.abort();
  });
  const parent: Parent = {
    send: (message) => {
      // Who has gone waits for no word.
      if (process.connected) process.send?.(message);
    },
    onMessage: (listener) => process.on('message', listener),
  };
  const signal = AbortSignal.any([io.signal, gone.signal]);
  let context: AgentContext;
  try {
    context = await openContext({ ...io, signal }, options);
  } catch (error) {
    if (!(error instanceof ExpectedError)) throw error;
    const { code, message, hints } = error;
    parent.send({ kind: 'refused', code, message, hints: [...hints] });
    process.disconnect();
    return;
  }
  await workFor(parent, context, { signal });
  if (process.connected) process.disconnect();
}
