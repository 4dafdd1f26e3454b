import { Option } from 'commander';

/** Options that every agent command has. */
export type AgentOptions = { readonly config?: string; readonly json?: boolean };

/** `--config` of every agent command. */
export function configOption(): Option {
  return new Option(
    '--config <file>',
    'this file and <file>.d/*.toml alone (default: agent.toml of /usr/lib, /etc and /run/tidegate)',
  );
}
