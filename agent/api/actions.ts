import { ExpectedError } from '../../core/errors.ts';
import type { AgentContext } from '../context.ts';
import { AgentError } from '../errors.ts';
import type { Verb } from '../legal-verbs.ts';
import { asOnlyAgent } from '../lock.ts';
import { isOnWayBack } from '../machine-state.ts';
import { runVerb } from '../verbs.ts';
import { keepCommand, readKept } from './kept-command.ts';
import type { Held, UpdateCommand } from './kept-command.ts';
import { availableUpdates, standingOf } from './updates-status.ts';
import type { Standing, UpdatesStatus } from './updates-status.ts';

/** An answer that says why a command is not begun; the statuses are Bottlerocket's. */
export type Refusal = { readonly status: 404 | 409 | 423 | 500; readonly message: string };

const VERB_OF: Readonly<Record<UpdateCommand, Verb>> = {
  ...{ refresh: 'check', prepare: 'prepare', activate: 'apply', deactivate: 'cancel' },
};

const ALLOWED: Readonly<Record<UpdateCommand, readonly UpdatesStatus['update_state'][]>> = {
  refresh: ['Idle', 'Available', 'Staged', 'Ready'],
  prepare: ['Available', 'Staged'],
  activate: ['Staged'],
  deactivate: ['Ready'],
};

/** Somebody may be reading the status at this very moment. */
const PATIENCE_MS = 250;

export type Begun = {
  /** Null if the command was accepted. */
  readonly refusal: Refusal | null;
  /** Settles, never rejects, when the command has ended. */
  readonly ended: Promise<void>;
};

/**
 * Begins a command as Bottlerocket's API does: what makes no sense is refused at once, what was accepted goes on while the
 * caller looks at the status, and nobody else can begin one meanwhile.
 */
export async function begin(context: AgentContext, command: UpdateCommand): Promise<Begun> {
  const accepted = Promise.withResolvers<Refusal | null>();
  const work = async () => {
    const standing = await standingOf(context);
    const refusal = await refusalOf(context, command, standing);
    accepted.resolve(refusal);
    if (refusal === null) await perform(context, command, standing);
  };
  const { stateFolder } = context.config;
  const ended = asOnlyAgent(stateFolder, work, PATIENCE_MS).catch((error: unknown) => {
    // Whoever has been answered already learns it from the status.
    accepted.resolve(refusalFor(error));
    context.onEvent('action-failed', { command, message: messageOf(error) });
  });
  return { refusal: await accepted.promise, ended };
}

/** Boots the host: as the next step of an update that is ready for it, else because somebody wants it to. */
export async function beginReboot(context: AgentContext): Promise<Refusal | null> {
  try {
    const { stateFolder } = context.config;
    if ((await standingOf(context)).state === 'Ready') {
      await asOnlyAgent(stateFolder, () => runVerb(context, 'reboot'), PATIENCE_MS);
    } else await context.system.reboot();
    return null;
  } catch (error) {
    return refusalFor(error);
  }
}

async function refusalOf(
  context: AgentContext,
  command: UpdateCommand,
  standing: Standing,
): Promise<Refusal | null> {
  const { state } = await context.journal.read();
  const isBusy = state.kind === 'rebooting' || state.kind === 'confirming' || isOnWayBack(state);
  if (isBusy || !ALLOWED[command].includes(standing.state)) {
    const message = `${command} is not allowed in state ${standing.state}`;
    return { status: 409, message };
  }
  if (command === 'activate' && (await context.slots.read()).inactive === null) {
    return { status: 404, message: 'no update is staged' };
  }
  return null;
}

async function perform(
  context: AgentContext,
  command: UpdateCommand,
  standing: Standing,
): Promise<void> {
  let failure: string | null = null;
  let available = (await readKept(context))?.available ?? [];
  try {
    if (standing.isHeld && command !== 'refresh') await takeOnAgain(context, command);
    await runVerb(context, VERB_OF[command]);
    if (command === 'refresh') available = await availableUpdates(context);
  } catch (error) {
    if (!(error instanceof ExpectedError)) throw error;
    failure = error.message;
  }
  const isGivenUp = failure !== null && (await context.journal.read()).state.kind === 'idle';
  const held = isGivenUp ? heldBy(standing) : null;
  await keepCommand(context, command, { failure, held, available });
}

/** The attempt that the agent gave up is begun anew, as far as the command of before had brought it. */
async function takeOnAgain(context: AgentContext, command: UpdateCommand): Promise<void> {
  const { state, reason } = await runVerb(context, 'check', { insists: true });
  if (state !== 'available') throw new AgentError('agent/not-done', `${command}: ${reason}`);
  if (command === 'activate') await runVerb(context, 'prepare');
}

function heldBy({ state, version }: Standing): Held | null {
  return version !== null && (state === 'Available' || state === 'Staged')
    ? { state, version }
    : null;
}

function refusalFor(error: unknown): Refusal {
  const isLocked = error instanceof AgentError && error.code === 'agent/locked';
  return { status: isLocked ? 423 : 500, message: messageOf(error) };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
