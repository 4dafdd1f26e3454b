import { compareVersions } from '../../core/version.ts';
import type { AgentContext } from '../context.ts';
import type { AgentState } from '../machine-state.ts';
import { refresh } from '../refresh.ts';
import { requireActive } from '../settle.ts';
import type { SlotsState } from '../slots/slots.ts';
import { explainManifest } from '../why.ts';
import { readKept } from './kept-command.ts';
import type { Held, Kept } from './kept-command.ts';

/** Of `GET /updates/status`, spelled as on the wire there. */
export type UpdatesStatus = {
  readonly update_state: 'Idle' | 'Available' | 'Staged' | 'Ready';
  readonly available_updates: readonly string[];
  readonly chosen_update: Image | null;
  readonly active_partition: Partition;
  readonly staging_partition: Partition | null;
  readonly most_recent_command: Kept['recent'];
};

/** Where an update stands as Bottlerocket would call it, and the release that it is about. */
export type Standing = {
  readonly state: UpdatesStatus['update_state'];
  readonly version: string | null;
  /** Whether a command failed, and the agent has nothing under way any more. */
  readonly isHeld: boolean;
};

type Image = { readonly arch: string; readonly version: string; readonly variant: string };
type Partition = { readonly image: Image; readonly next_to_boot: boolean };

const STATES: Readonly<Record<AgentState['kind'], UpdatesStatus['update_state']>> = {
  ...{ idle: 'Idle', available: 'Available', staged: 'Staged', ready: 'Ready' },
  // Bottlerocket knows no trial: what was booted is what runs.
  ...{ rebooting: 'Ready', confirming: 'Idle', 'fallen-back': 'Idle' },
};

/** A command that failed keeps the state, as there, although the agent gave the attempt up. */
export async function standingOf(context: AgentContext): Promise<Standing> {
  const { state } = await context.journal.read();
  return standingIn(state, (await readKept(context))?.held ?? null);
}

function standingIn(state: AgentState, held: Held | null): Standing {
  if (state.kind === 'idle' && held !== null) return { ...held, isHeld: true };
  const isChosen = state.kind === 'available' || state.kind === 'staged' || state.kind === 'ready';
  const version = isChosen ? state.target.to : null;
  return { state: STATES[state.kind], version, isHeld: false };
}

/** Null if nothing was asked for since the host booted. */
export async function updatesStatus(context: AgentContext): Promise<UpdatesStatus | null> {
  const kept = await readKept(context);
  if (kept === null) return null;
  const { state } = await context.journal.read();
  const standing = standingIn(state, kept.held);
  const slots = await context.slots.read();
  const imageOf = (version: string): Image => {
    const { arch, variant } = context.config.host;
    return { arch, version, variant };
  };
  return {
    update_state: standing.state,
    available_updates: kept.available,
    chosen_update: standing.version === null ? null : imageOf(standing.version),
    active_partition: {
      image: imageOf(requireActive(slots).release.version),
      next_to_boot: slots.nextToBoot === 'active',
    },
    staging_partition: stagingOf(standing, slots, imageOf),
    most_recent_command: kept.recent,
  };
}

function stagingOf(
  { state }: Standing,
  { inactive, nextToBoot }: SlotsState,
  imageOf: (version: string) => Image,
): Partition | null {
  const isStaged = state === 'Staged' || state === 'Ready';
  if (!isStaged || inactive === null) return null;
  return { image: imageOf(inactive.release.version), next_to_boot: nextToBoot === 'inactive' };
}

/** The releases of rollouts that lead forward from what the host runs, newest first, whether or not their time has come. */
export async function availableUpdates(context: AgentContext): Promise<string[]> {
  const { release } = requireActive(await context.slots.read());
  const { steps } = await explainManifest(context, await refresh(context), release);
  const versions = steps
    .filter(({ direction }) => direction === 'forward')
    .map(({ version }) => version);
  return [...new Set(versions)].toSorted((a, b) => compareVersions(b, a));
}
