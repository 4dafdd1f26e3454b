import { join } from 'node:path';
import * as z from 'zod';
import { formatInstant } from '../../core/instant.ts';
import type { AgentContext } from '../context.ts';
import { readChecked, writeChecked } from '../durable.ts';

/** What Bottlerocket calls the steps of an update. */
export const COMMANDS = ['refresh', 'prepare', 'activate', 'deactivate'] as const;
export type UpdateCommand = (typeof COMMANDS)[number];

const commandSchema = z.object({
  cmd_type: z.enum(COMMANDS),
  cmd_status: z.enum(['Success', 'Failed']),
  timestamp: z.string(),
  exit_status: z.int(),
  stderr: z.string(),
});

const heldSchema = z.object({ state: z.enum(['Available', 'Staged']), version: z.string() });

const keptSchema = z.object({
  /** Of which boot it is: on Bottlerocket it lies on a tmpfs. */
  bootId: z.string(),
  available: z.array(z.string()),
  /** Where the update stood when the command failed, if the agent gave the attempt up; null if not. */
  held: heldSchema.nullable().default(null),
  recent: commandSchema,
});

/** A state that a failed command has left as it was. */
export type Held = z.infer<typeof heldSchema>;
/** What the status tells of the commands since the boot. */
export type Kept = z.infer<typeof keptSchema>;

/** Null if there was no command since the boot. */
export async function readKept(context: AgentContext): Promise<Kept | null> {
  const read = await readChecked(pathOf(context), keptSchema);
  if (read.kind !== 'value') return null;
  return read.value.bootId === (await context.system.bootId()) ? read.value : null;
}

/** Keeps how a command ended. */
export async function keepCommand(
  context: AgentContext,
  command: UpdateCommand,
  {
    failure,
    held,
    available,
  }: Pick<Kept, 'held' | 'available'> & { readonly failure: string | null },
): Promise<void> {
  await writeChecked(pathOf(context), {
    bootId: await context.system.bootId(),
    available,
    held,
    recent: {
      cmd_type: command,
      cmd_status: failure === null ? 'Success' : 'Failed',
      timestamp: formatInstant(context.now()),
      exit_status: failure === null ? 0 : 1,
      stderr: failure ?? '',
    },
  });
}

function pathOf({ config }: Pick<AgentContext, 'config'>): string {
  return join(config.stateFolder, 'updates-status.json');
}
