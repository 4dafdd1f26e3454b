import { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { ExpectedError } from '../../core/errors.ts';
import { withoutPassword } from '../without-password.ts';
import { loadConfig } from '../config.ts';
import { agentContext } from '../context.ts';
import { good, warning } from '../doctor/check.ts';
import type { Check } from '../doctor/check.ts';
import { examine, unreadable } from '../doctor/doctor.ts';
import { AgentError } from '../errors.ts';
import { configOption } from './config-option.ts';
import type { AgentOptions } from './config-option.ts';
import { configPlace } from './context.ts';

/** A check failed; which one is said on stdout. */
class DoctorError extends ExpectedError<'agent/unwell'> {}

export function agentDoctorCommand(io: Io): Command {
  return new Command('doctor')
    .description('look at all that the agent depends on, and say what to do; changes nothing')
    .addOption(configOption())
    .option('--json', 'print the checks as one line of JSON')
    .addHelpText('after', '\nExample:\n  tidegate agent doctor')
    .action(async (options: AgentOptions) => {
      const checks = (await checksOf(io, options)).map((check) => ({
        ...check,
        message: withoutPassword(check.message),
      }));
      io.stdout.write(options.json === true ? `${JSON.stringify(checks)}\n` : textOf(checks));
      const failed = checks.filter(({ status }) => status === 'failed');
      if (failed.length === 0) return;
      throw new DoctorError('agent/unwell', `${failed.length} of ${checks.length} checks failed`);
    });
}

async function checksOf(io: Io, options: AgentOptions): Promise<readonly Check[]> {
  let loaded;
  try {
    loaded = await loadConfig(configPlace(io, options));
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    return unreadable(error.message);
  }
  const { config, files, ignored } = loaded;
  const context = agentContext(config, { now: io.now, signal: io.signal, onEvent: () => {} });
  return [
    good('configuration', `read from ${files.join(', ')}`),
    ...ignored.map((file) =>
      warning('configuration', `${file} is ignored: its name does not end in .toml`, 'rename it'),
    ),
    ...(await examine(context, io.env['PATH'] ?? '')),
  ];
}

function textOf(checks: readonly Check[]): string {
  return checks
    .flatMap(({ name, status, message, advice }) => [
      `${status.padEnd(7)}  ${name}: ${message}`,
      ...(advice === null ? [] : [`         ${advice}`]),
    ])
    .map((line) => `${line}\n`)
    .join('');
}
