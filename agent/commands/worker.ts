import { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { ExpectedError } from '../../core/errors.ts';
import type { AgentContext } from '../context.ts';
import { WORKER } from '../daemon/messages.ts';
import type { FromWorker } from '../daemon/messages.ts';
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
    .action((options: AgentOptions) => work(io, options).finally(leave));
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
    send,
    onMessage: (listener) => process.on('message', listener),
  };
  const signal = AbortSignal.any([io.signal, gone.signal]);
  let context: AgentContext;
  try {
    context = await openContext({ ...io, signal }, options);
  } catch (error) {
    if (!(error instanceof ExpectedError)) throw error;
    const { code, message, hints } = error;
    await send({ kind: 'refused', code, message, hints: [...hints] });
    return;
  }
  await workFor(parent, context, { signal });
}

/** Settles when it is on its way. Who has gone waits for no word. */
function send(message: FromWorker): Promise<void> {
  return new Promise((resolve) => {
    if (!process.connected || process.send === undefined) resolve();
    else {
      process.send(message, undefined, {}, () => {
        resolve();
      });
    }
  });
}

/** Connections that came too late, or whatever else is open, must not keep the process: nobody gives it work any more. */
function leave(): void {
  setImmediate(() => process.exit());
}
