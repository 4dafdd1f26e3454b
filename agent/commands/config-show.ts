import { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { loadConfig } from '../config.ts';
import type { LoadedConfig } from '../config.ts';
import type { Setting } from '../config-settings.ts';
import { shown } from '../config-text.ts';
import { configOption } from './config-option.ts';
import type { AgentOptions } from './config-option.ts';
import { configPlace } from './context.ts';

export function agentConfigShowCommand(io: Io): Command {
  return new Command('show')
    .description('every value in force, and the file and line that says it')
    .addOption(configOption())
    .option('--json', 'print the result as one line of JSON')
    .addHelpText('after', '\nExample:\n  tidegate agent config show')
    .action(async (options: AgentOptions) => {
      const loaded = await loadConfig(configPlace(io, options));
      loaded.ignored.forEach((file) => {
        io.stderr.write(`tidegate: warning: ${file} is ignored: its name does not end in .toml\n`);
      });
      io.stdout.write(options.json === true ? jsonOf(loaded) : textOf(loaded));
    });
}

function jsonOf({ files, ignored, settings }: LoadedConfig): string {
  return `${shown({ files, ignored, settings })}\n`;
}

function textOf({ settings }: LoadedConfig): string {
  const lines = settings.map((setting) => ({
    said: `${setting.key} = ${shown(setting.value)}`,
    by: originOf(setting),
  }));
  const width = Math.max(...lines.map(({ said }) => said.length));
  return lines.map(({ said, by }) => `${said.padEnd(width)}  # ${by}\n`).join('');
}

function originOf({ origin }: Setting): string {
  switch (origin.kind) {
    case 'file':
      return `${origin.file}:${origin.line}`;
    case 'default':
      return 'default';
    case 'derived':
      return `from ${origin.from}`;
  }
}
