import { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import type { AgentContext } from '../context.ts';
import { AgentError } from '../errors.ts';
import type { Slots } from '../slots/slots.ts';
import { configOption, openContext } from './context.ts';
import type { AgentOptions } from './context.ts';

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

type Status = Awaited<ReturnType<typeof statusOf>>;

/** Reads only; the agent may be at work meanwhile. */
async function statusOf({ config, slots, journal, reports }: AgentContext) {
  const { state, isDamaged } = await journal.read();
  const { active, inactive, slotsError } = await readSlots(slots);
  const pending = await reports.pending();
  const lastPoll = await journal.readLastPoll();
  const { id, variant, arch, seed } = config.host;
  return {
    host: { id, variant, arch, seed },
    state: state.kind,
    target: state.kind === 'idle' ? null : state.target,
    failure: state.failure,
    isJournalDamaged: isDamaged,
    active: active?.release.version ?? null,
    inactive: inactive?.release.version ?? null,
    slotsError,
    lastPoll,
    reason: lastPoll?.reason ?? null,
    pendingReports: pending.length,
  };
}

/** A damaged slot is what a person wants to see here, not what keeps the rest from being seen. */
async function readSlots(slots: Slots) {
  try {
    return { ...(await slots.read()), slotsError: null };
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    return { active: null, inactive: null, slotsError: error.message };
  }
}

function textOf(status: Status): string {
  const { host, state, target, failure, active, inactive, lastPoll, pendingReports } = status;
  const lines = [
    `host ${host.id} (${host.variant} ${host.arch}, seed ${host.seed})`,
    `state: ${state}${target === null ? '' : `, from ${target.from} to ${target.to}`}`,
    `active slot: ${active ?? 'empty'}; inactive slot: ${inactive ?? 'nothing that can be activated'}`,
    lastPoll === null
      ? 'never polled'
      : `last poll at ${lastPoll.at}: ${lastPoll.result}${lastPoll.reason === null ? '' : ` (${lastPoll.reason})`}`,
    ...(status.slotsError === null ? [] : [`slots: ${status.slotsError}`]),
    ...(failure === null
      ? []
      : [`${failure.to} failed ${failure.count} times in ${failure.stage}: ${failure.message}`]),
    ...(pendingReports === 0 ? [] : [`${pendingReports} reports wait for the server`]),
  ];
  return lines.map((line) => `${line}\n`).join('');
}
