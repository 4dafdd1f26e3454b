import { resolve } from 'node:path';
import { pino } from 'pino';
import type { Io } from '../../adapters/terminal/io.ts';
import { readConfig } from '../config.ts';
import { agentContext } from '../context.ts';
import type { AgentContext } from '../context.ts';

/** Options that every agent command has. */
export type AgentOptions = { readonly config: string; readonly json?: boolean };

/** What a command works with; events go to stderr, one JSON object a line. */
export async function openContext(io: Io, options: AgentOptions): Promise<AgentContext> {
  const config = await readConfig(resolve(io.cwd, options.config));
  const log = pino({ base: { host: config.host.id } }, { write: (line) => io.stderr.write(line) });
  return agentContext(config, {
    env: io.env,
    now: io.now,
    signal: io.signal,
    onEvent: (event, details) => {
      log.info(details, event);
    },
  });
}

/** As `openContext`, for commands that use the network: what is wrong with its files is said before anything is begun. */
export async function openNetworkContext(io: Io, options: AgentOptions): Promise<AgentContext> {
  const context = await openContext(io, options);
  await context.network.check();
  return context;
}
