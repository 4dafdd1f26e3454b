import { resolve } from 'node:path';
import { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { asOnlyAgent } from '../lock.ts';
import type { CycleResult } from '../cycle-result.ts';
import { runCountedCycle } from '../counted-cycle.ts';
import { ExpectedError } from '../../core/errors.ts';
import { offline } from '../offline.ts';
import { configOption } from './config-option.ts';
import type { AgentOptions } from './config-option.ts';
import { openNetworkContext } from './context.ts';

type Options = AgentOptions & { readonly from?: string };

/** The cycle ended in a failure that its result tells about. */
class CycleFailed extends ExpectedError<'agent/cycle-failed'> {}

export function agentOnceCommand(io: Io): Command {
  return new Command('once')
    .description('one poll cycle: ask, verify, install, activate, report')
    .addOption(configOption())
    .option(
      '--from <folder>',
      'take everything from a folder that `tidegate repo mirror` made; no server is asked',
    )
    .option('--json', 'print the result as one line of JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  tidegate agent once\n  tidegate agent once --from /media/usb/repo',
    )
    .action((options: Options) => once(io, options));
}

async function once(io: Io, options: Options): Promise<void> {
  const online = await openNetworkContext(io, options);
  const { from } = options;
  const context = from === undefined ? online : await offline(online, resolve(io.cwd, from));
  const result = await asOnlyAgent(context.config.stateFolder, () => runCountedCycle(context));
  io.stdout.write(
    options.json === true ? `${JSON.stringify(result)}\n` : `${sentenceOf(result)}\n`,
  );
  if (result.result === 'failed') throw new CycleFailed('agent/cycle-failed', sentenceOf(result));
}

function sentenceOf({ result, from, to, reason, eligibleAt, bytesFetched }: CycleResult): string {
  const why = [reason, eligibleAt === null ? null : `eligible at ${eligibleAt}`]
    .filter((part) => part !== null)
    .join(', ');
  return result === 'updated' || result === 'rolled-back'
    ? `${result} from ${from} to ${to}, ${bytesFetched} bytes fetched`
    : `${result} on ${from}: ${why}`;
}
