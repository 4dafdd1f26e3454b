import { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { sentenceOf } from '../failures.ts';
import { statusOf } from '../status.ts';
import type { AgentStatus } from '../status.ts';
import { configOption } from './config-option.ts';
import type { AgentOptions } from './config-option.ts';
import { openContext } from './context.ts';

export function agentStatusCommand(io: Io): Command {
  return new Command('status')
    .description('where the agent stands, what lies in the slots, and why nothing happens')
    .addOption(configOption())
    .option('--json', 'print the result as one line of JSON')
    .addHelpText('after', '\nExample:\n  tidegate agent status --json')
    .action(async (options: AgentOptions) => {
      const status = await statusOf(await openContext(io, options));
      io.stdout.write(options.json === true ? `${JSON.stringify(status)}\n` : textOf(status));
    });
}

function textOf(status: AgentStatus): string {
  const { host, state, target, failures, active, inactive, lastPoll, pendingReports } = status;
  const lines = [
    `host ${host.id} (${host.variant} ${host.arch}, seed ${host.seed})`,
    `state: ${state}${target === null ? '' : `, from ${target.from} to ${target.to}`}`,
    `active slot: ${active ?? 'empty'}; inactive slot: ${inactive ?? 'nothing that can be activated'}`,
    lastPoll === null
      ? 'never polled'
      : `last poll at ${lastPoll.at}: ${lastPoll.result}${lastPoll.reason === null ? '' : ` (${lastPoll.reason})`}`,
    ...(status.slotsError === null ? [] : [`slots: ${status.slotsError}`]),
    ...(status.reason === null ? [] : [`waits for: ${status.reason}`]),
    ...failures.map(sentenceOf),
    ...(pendingReports === 0 ? [] : [`${pendingReports} reports wait for the server`]),
  ];
  return lines.map((line) => `${line}\n`).join('');
}
