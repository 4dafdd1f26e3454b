import { resolve } from 'node:path';
import { pino } from 'pino';
import type { Io } from '../../adapters/terminal/io.ts';
import type { ConfigPlace } from '../config-files.ts';
import { loadConfig } from '../config.ts';
import { agentContext } from '../context.ts';
import type { AgentContext } from '../context.ts';
import { EventLog } from '../event-log.ts';
import type { AgentOptions } from './config-option.ts';

/** Where the configuration of a command is. */
export function configPlace(
  { cwd, root = '/' }: Pick<Io, 'cwd' | 'root'>,
  { config }: Pick<AgentOptions, 'config'>,
): ConfigPlace {
  return config === undefined
    ? { kind: 'standard', root }
    : { kind: 'file', path: resolve(cwd, config) };
}

/** What a command works with; events go to stderr, one JSON object a line, and to the event log if there is one. */
export async function openContext(io: Io, options: AgentOptions): Promise<AgentContext> {
  const { config, ignored } = await loadConfig(configPlace(io, options));
  const eventLog = config.log === null ? null : new EventLog(config.log, io.stderr);
  const log = pino(
    { base: { host: config.host.id } },
    {
      write: (line) => {
        io.stderr.write(line);
        eventLog?.write(line);
      },
    },
  );
  ignored.forEach((file) => {
    log.warn({ file }, 'config-file-ignored');
  });
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
