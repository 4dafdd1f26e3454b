import { ExpectedError } from '../../core/errors.ts';
import type { AgentContext } from '../context.ts';
import { AgentError } from '../errors.ts';
import type { Verb } from '../legal-verbs.ts';
import { asOnlyAgent } from '../lock.ts';
import { runVerb } from '../verbs.ts';
import { keepCommand, updateStateOf } from './updates-status.ts';
import type { UpdateCommand, UpdatesStatus } from './updates-status.ts';

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
  const ended = asOnlyAgent(context.config.stateFolder, async () => {
    const refusal = await refusalOf(context, command);
    accepted.resolve(refusal);
    if (refusal === null) await perform(context, command);
  }).catch((error: unknown) => {
    // Whoever has been answered already learns it from the status.
    accepted.resolve(refusalFor(error));
    context.onEvent('action-failed', { command, message: messageOf(error) });
  });
  return { refusal: await accepted.promise, ended };
}

/** Boots the host: as the next step of an update that is ready for it, else because somebody wants it to. */
export async function beginReboot(context: AgentContext): Promise<Refusal | null> {
  try {
    const { state } = await context.journal.read();
    if (updateStateOf(state) === 'Ready') {
      await asOnlyAgent(context.config.stateFolder, () => runVerb(context, 'reboot'));
    } else await context.system.reboot();
    return null;
  } catch (error) {
    return refusalFor(error);
  }
}

async function refusalOf(context: AgentContext, command: UpdateCommand): Promise<Refusal | null> {
  const { state } = await context.journal.read();
  const updateState = updateStateOf(state);
  const isUnderWay = state.kind === 'rebooting' || state.kind === 'confirming';
  if (isUnderWay || !ALLOWED[command].includes(updateState)) {
    const message = `${command} is not allowed in state ${updateState}`;
    return { status: 409, message };
  }
  if (command === 'activate' && (await context.slots.read()).inactive === null) {
    return { status: 404, message: 'no update is staged' };
  }
  return null;
}

async function perform(context: AgentContext, command: UpdateCommand): Promise<void> {
  let failure: string | null = null;
  try {
    await runVerb(context, VERB_OF[command]);
  } catch (error) {
    if (!(error instanceof ExpectedError)) throw error;
    failure = error.message;
  }
  await keepCommand(context, command, failure);
}

function refusalFor(error: unknown): Refusal {
  const isLocked = error instanceof AgentError && error.code === 'agent/locked';
  return { status: isLocked ? 423 : 500, message: messageOf(error) };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
