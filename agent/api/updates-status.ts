import { join } from 'node:path';
import * as z from 'zod';
import { formatInstant } from '../../core/instant.ts';
import { compareVersions } from '../../core/version.ts';
import type { AgentContext } from '../context.ts';
import { readChecked, writeChecked } from '../durable.ts';
import type { AgentState } from '../machine-state.ts';
import { refresh } from '../refresh.ts';
import { requireActive } from '../settle.ts';
import type { SlotsState } from '../slots/slots.ts';
import { explainManifest } from '../why.ts';

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

const keptSchema = z.object({
  /** Of which boot it is: on Bottlerocket it lies on a tmpfs. */
  bootId: z.string(),
  available: z.array(z.string()),
  recent: commandSchema,
});

/** Of `GET /updates/status`, spelled as on the wire there. */
export type UpdatesStatus = {
  readonly update_state: 'Idle' | 'Available' | 'Staged' | 'Ready';
  readonly available_updates: readonly string[];
  readonly chosen_update: Image | null;
  readonly active_partition: Partition;
  readonly staging_partition: Partition | null;
  readonly most_recent_command: z.infer<typeof commandSchema>;
};

type Image = { readonly arch: string; readonly version: string; readonly variant: string };
type Partition = { readonly image: Image; readonly next_to_boot: boolean };

const STATES: Readonly<Record<AgentState['kind'], UpdatesStatus['update_state']>> = {
  ...{ idle: 'Idle', available: 'Available', staged: 'Staged', ready: 'Ready' },
  // Bottlerocket knows no trial: what was booted is what runs.
  ...{ rebooting: 'Ready', confirming: 'Idle', 'fallen-back': 'Idle' },
};

/** The state that Bottlerocket would call it. */
export function updateStateOf({ kind }: AgentState): UpdatesStatus['update_state'] {
  return STATES[kind];
}

/** Null if nothing was asked for since the host booted. */
export async function updatesStatus(context: AgentContext): Promise<UpdatesStatus | null> {
  const kept = await readKept(context);
  if (kept === null) return null;
  const { state } = await context.journal.read();
  const slots = await context.slots.read();
  const imageOf = (version: string): Image => {
    const { arch, variant } = context.config.host;
    return { arch, version, variant };
  };
  const isChosen = state.kind === 'available' || state.kind === 'staged' || state.kind === 'ready';
  return {
    update_state: updateStateOf(state),
    available_updates: kept.available,
    chosen_update: isChosen ? imageOf(state.target.to) : null,
    active_partition: {
      image: imageOf(requireActive(slots).release.version),
      next_to_boot: slots.nextToBoot === 'active',
    },
    staging_partition: stagingOf(state, slots, imageOf),
    most_recent_command: kept.recent,
  };
}

function stagingOf(
  { kind }: AgentState,
  { inactive, nextToBoot }: SlotsState,
  imageOf: (version: string) => Image,
): Partition | null {
  const isStaged = kind === 'staged' || kind === 'ready' || kind === 'rebooting';
  if (!isStaged || inactive === null) return null;
  return { image: imageOf(inactive.release.version), next_to_boot: nextToBoot === 'inactive' };
}

/** Keeps how a command ended; `refresh` looks up anew where the host could go. */
export async function keepCommand(
  context: AgentContext,
  command: UpdateCommand,
  failure: string | null,
): Promise<void> {
  const before = await readKept(context);
  await writeChecked(pathOf(context), {
    bootId: await context.system.bootId(),
    available:
      command === 'refresh' && failure === null
        ? await availableUpdates(context)
        : (before?.available ?? []),
    recent: {
      cmd_type: command,
      cmd_status: failure === null ? 'Success' : 'Failed',
      timestamp: formatInstant(context.now()),
      exit_status: failure === null ? 0 : 1,
      stderr: failure ?? '',
    },
  });
}

/** The releases of rollouts that lead forward from what the host runs, newest first, whether or not their time has come. */
async function availableUpdates(context: AgentContext): Promise<readonly string[]> {
  const { release } = requireActive(await context.slots.read());
  const { steps } = await explainManifest(context, await refresh(context), release);
  const versions = steps
    .filter(({ direction }) => direction === 'forward')
    .map(({ version }) => version);
  return [...new Set(versions)].toSorted((a, b) => compareVersions(b, a));
}

async function readKept(context: AgentContext): Promise<z.infer<typeof keptSchema> | null> {
  const read = await readChecked(pathOf(context), keptSchema);
  if (read.kind !== 'value') return null;
  return read.value.bootId === (await context.system.bootId()) ? read.value : null;
}

function pathOf({ config }: Pick<AgentContext, 'config'>): string {
  return join(config.stateFolder, 'updates-status.json');
}
