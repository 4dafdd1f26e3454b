import { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import type { Verb } from '../legal-verbs.ts';
import { asOnlyAgent } from '../lock.ts';
import { runVerb } from '../verbs.ts';
import type { VerbResult } from '../verbs.ts';
import { configOption } from './config-option.ts';
import type { AgentOptions } from './config-option.ts';
import { openContext, openNetworkContext } from './context.ts';

/** Somebody may be looking at the status at this very moment. */
const PATIENCE_MS = 2000;

/** What is wrong with the files of the network keeps nobody from a step that needs none: above all from a way back. */
const NEEDS_NETWORK: ReadonlySet<Verb> = new Set<Verb>(['check', 'prepare', 'apply']);

type Options = AgentOptions & { readonly retry?: boolean };

const DESCRIPTIONS: Readonly<Record<Verb, string>> = {
  check: 'ask for orders and take on what is offered; the inactive slot is left as it is',
  prepare: 'bring the release into the inactive slot, verify and seal it',
  apply: 'make the prepared release the next to boot, if its rollout still wants it',
  reboot: 'boot into the applied release',
  confirm: 'say that the host is well on the release that it runs on trial',
  cancel: 'take back what is under way; what was prepared stays in its slot',
  rollback: 'go back to the older release in the inactive slot, and stay there',
};

/** A step by hand, from where the agent stands. */
export function agentVerbCommand(io: Io, verb: Verb): Command {
  const command = new Command(verb)
    .description(DESCRIPTIONS[verb])
    .addOption(configOption())
    .option('--json', 'print the result as one line of JSON')
    .addHelpText('after', `\nExample:\n  tidegate agent ${verb} --json`)
    .action((options: Options) => run(io, verb, options));
  if (verb === 'check') command.option('--retry', 'take on a release even if it failed here');
  return command;
}

async function run(io: Io, verb: Verb, options: Options): Promise<void> {
  const open = NEEDS_NETWORK.has(verb) ? openNetworkContext : openContext;
  const context = await open(io, options);
  const { stateFolder } = context.config;
  const insists = options.retry === true;
  const result = await asOnlyAgent(
    stateFolder,
    () => runVerb(context, verb, { insists }),
    PATIENCE_MS,
  );
  io.stdout.write(
    options.json === true ? `${JSON.stringify(result)}\n` : `${sentenceOf(result)}\n`,
  );
}

function sentenceOf({ verb, state, from, to, reason, eligibleAt }: VerbResult): string {
  const way = to === null || to === from ? from : `${from} to ${to}`;
  const details = [reason, eligibleAt === null ? null : `eligible at ${eligibleAt}`]
    .filter((part) => part !== null)
    .join(', ');
  return `${verb}: ${state}, ${way}${details === '' ? '' : `: ${details}`}`;
}
