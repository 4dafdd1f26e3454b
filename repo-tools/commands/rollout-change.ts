import { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { NEEDS_REASON } from '../../core/verb.ts';
import type { SimpleVerb } from '../../core/verb.ts';
import { confirmImpact } from '../impact.ts';
import type { ImpactOptions, Stopping } from '../impact.ts';
import { addChangeOptions, changeRollout } from './rollout-target.ts';
import type { TargetOptions } from './rollout-target.ts';
import { rolloutLine } from './rollout-text.ts';

const DESCRIPTIONS: Readonly<Record<SimpleVerb, string>> = {
  pause: 'stop the clock: no host starts until it is resumed',
  resume: 'let the clock run again; the remaining waves shift by the pause',
  advance: 'move to the next opening, or open the gate it waits at whatever the gate asks for',
  approve: 'let the tide pass the next gate that asks for approval, reached or not',
  retry: 'ask the hosts that failed to try again',
  withdraw: 'give the release to nobody else',
  supersede: 'end it because a newer rollout lets through as many hosts; nobody loses an update',
};

export function rolloutChangeCommand(io: Io, kind: SimpleVerb): Command {
  const command = new Command(kind)
    .description(DESCRIPTIONS[kind])
    .argument('<id>', 'id of the rollout')
    .addHelpText(
      'after',
      `\nExample:\n  tidegate rollout ${kind} 2jq9fqxk1c --reason 'boot failures in zone b'${isStopping(kind) ? ' --yes' : ''} \\\n` +
        '    --server http://127.0.0.1:8080',
    )
    .action((id: string, options: TargetOptions & ImpactOptions & { readonly reason?: string }) =>
      changeRollout(io, options, {
        verb: async (control) => {
          if (isStopping(kind)) await confirmImpact(io, control, { ...options, verb: kind, id });
          return control.change(kind, id, options.reason ?? null);
        },
        lines: (view) => [rolloutLine(view)],
      }),
    );
  if (isStopping(kind)) {
    command
      .requiredOption('--reason <text>', 'why, for the history')
      .option('--yes', 'do not ask; needed without a terminal');
  } else {
    command.option('--reason <text>', 'why, for the history');
  }
  return addChangeOptions(command);
}

function isStopping(kind: SimpleVerb): kind is SimpleVerb & Stopping['verb'] {
  return NEEDS_REASON.includes(kind);
}
