import type { Io } from '../../adapters/terminal/io.ts';
import type { AgentContext } from '../context.ts';
import { AgentError } from '../errors.ts';
import { asOnlyAgent } from '../lock.ts';
import { GptSlots } from '../slots/gpt.ts';
import type { AgentOptions } from './config-option.ts';
import { openContext } from './context.ts';

export type GptContext = { readonly context: AgentContext; readonly slots: GptSlots };

/** What the `agent slots` commands work with. Throws `agent/config` for another kind of slots. */
export async function openGptContext(io: Io, options: AgentOptions): Promise<GptContext> {
  const context = await openContext(io, options);
  const { slots } = context;
  if (slots instanceof GptSlots) return { context, slots };
  throw new AgentError(
    'agent/config',
    `slots.kind must be gpt for this command, got ${context.config.slots.kind}`,
  );
}

/** Runs a command that changes slots as the only agent, and prints one result. */
export async function changeSlots<T extends object>(
  io: Io,
  options: AgentOptions,
  { work, say }: { work: (gpt: GptContext) => Promise<T>; say: (result: T) => string },
): Promise<void> {
  const gpt = await openGptContext(io, options);
  const result = await asOnlyAgent(gpt.context.config.stateFolder, () => work(gpt));
  io.stdout.write(`${options.json === true ? JSON.stringify(result) : say(result)}\n`);
}
