import { runCycle } from '../../agent/cycle.ts';
import { GptSlots } from '../../agent/slots/gpt.ts';
import type { Slots } from '../../agent/slots/slots.ts';
import type { CheckIn } from '../../core/check-in.ts';
import { bootOrder, readEntries } from '../support/systemd-boot.ts';
import type { PowerFailHost } from './host.ts';
import type { Turn } from './story.ts';

const MOST_ROUNDS = 10;
/** Longer than a failure is waited for. */
const ROUND_MS = 5 * 60_000;

/** How a host came to rest. */
export type Rest = {
  readonly version: string | null;
  /** Whether it boots that without being on trial. */
  readonly isGood: boolean;
  /** Check-ins on the way. */
  readonly checkIns: readonly CheckIn[];
};

/**
 * Lets a host go on, undisturbed and after a boot if it is off, until nothing changes any more; it boots when its agent asks for
 * that. Throws if that never comes.
 */
export async function recover(
  host: PowerFailHost,
  { isOff }: { readonly isOff: boolean },
): Promise<Rest> {
  const { world } = host;
  const begin = world.now;
  const told = world.checkIns.length;
  try {
    if (isOff) await host.boot();
    for (let round = 0; round < MOST_ROUNDS; round += 1) {
      world.now = new Date(world.now.getTime() + ROUND_MS);
      const { result } = await runCycle(await host.agent());
      const agent = await host.agent();
      const { active, nextToBoot } = await agent.slots.read();
      const { state } = await agent.journal.read();
      const pending = await agent.reports.pending();
      const isAtRest =
        result === 'stayed' &&
        pending.length === 0 &&
        nextToBoot === 'active' &&
        (state.kind === 'idle' || (state.kind === 'fallen-back' && state.isBack));
      if (isAtRest) {
        return {
          version: active?.release.version ?? null,
          isGood: await isGood(host, agent.slots),
          checkIns: world.checkIns.slice(told),
        };
      }
      if (nextToBoot === 'inactive' && host.isToldToBoot()) await host.boot();
    }
    throw new Error(`${host.name} does not come to rest`);
  } finally {
    world.now = begin;
  }
}

async function isGood(host: PowerFailHost, slots: Slots): Promise<boolean> {
  if (host.kind.slots === 'command') {
    const [first] = bootOrder(await readEntries(host.folder));
    return first?.triesLeft === null;
  }
  if (!(slots instanceof GptSlots)) return true;
  const { pair, running } = await slots.status();
  return running !== null && pair[running].successful;
}

/** What must be true of a host that is at rest after a turn that was disturbed; null if it is, else what is not. */
export function complaintOf({ version, isGood: isFoundGood }: Rest, turn: Turn): string | null {
  if (version !== turn.ends) return `rests on ${version}, not on ${turn.ends}`;
  return isFoundGood ? null : `rests on ${version}, which is on trial for ever`;
}

/** Null if the server was told how the turn ended, as often as it may be of one id; else what it was told. */
export function complaintOfReports(checkIns: readonly CheckIn[]): string | null {
  const byId = new Map(
    checkIns.flatMap(({ reports = [] }) =>
      reports.map(({ id, outcome, to, stage }) => [id, `${outcome} ${to} ${stage}`] as const),
    ),
  );
  // An attempt that came to nothing is told of and followed by another one; what a boot or a health check ended is final.
  const ends = [...byId.values()].filter((report) => !/ (?:verify|install|activate)$/.test(report));
  return ends.length === 1 ? null : `told ${ends.length === 0 ? 'nothing' : ends.join(' and ')}`;
}
