import { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { whyLines } from '../../adapters/terminal/why-lines.ts';
import { asOnlyAgent } from '../lock.ts';
import { why } from '../why.ts';
import type { AgentWhy } from '../why.ts';
import { configOption } from './config-option.ts';
import type { AgentOptions } from './config-option.ts';
import { openNetworkContext } from './context.ts';

export function agentWhyCommand(io: Io): Command {
  return new Command('why')
    .description('everything between this host and its next release, and what holds it')
    .addOption(configOption())
    .option('--json', 'print the result as one line of JSON')
    .addHelpText('after', '\nExample:\n  tidegate agent why')
    .action(async (options: AgentOptions) => {
      const context = await openNetworkContext(io, options);
      const answer = await asOnlyAgent(context.config.stateFolder, () => why(context));
      const lines = options.json === true ? [JSON.stringify(answer)] : linesOf(answer);
      io.stdout.write(lines.map((line) => `${line}\n`).join(''));
    });
}

function linesOf({ state, order, manifest, host }: AgentWhy): readonly string[] {
  const until = order.eligibleAt === null ? '' : `, eligible at ${order.eligibleAt}`;
  return [
    `the order is ${order.to === null ? 'to stay' : `to go to ${order.to}`}: ${order.reason}${until}`,
    `the agent is ${state}`,
    ...Object.entries(host).map(([name, refusal]) =>
      `  ${refusal === null ? 'pass' : 'hold'}  ${name.padEnd(11)}  ${refusal ?? ''}`.trimEnd(),
    ),
    'by the signed manifest alone:',
    ...whyLines(manifest),
  ];
}
