import { aftermathOf, complaintOfEnd } from './aftermath.ts';
import type { Disturbed } from './aftermath.ts';
import type { PowerFailHost } from './host.ts';
import type { Recording } from './operations.ts';
import type { Ended, Fault } from './run-agent.ts';
import { disturbProgram, numberedCalls } from './slots-tools.ts';
import type { Killed } from './slots-tools.ts';
import type { Turn } from './story.ts';

/** What is done to programs of `command` slots: `name` in the words of the table. */
export type ProgramDisturbance = Fault & {
  readonly name: string;
  readonly kills: Killed | null;
  /** The calls that can end like this. */
  readonly calls: RegExp;
  /** One of these the agent must say; null if it is killed too. */
  readonly codes: readonly string[] | null;
};

const KILL = { what: 'signal=SIGKILL', lasts: false, calls: /./ } as const;
const TAKES_ROOM = /^(?:openat|write|rename|renameat2|mkdir|fsync)$/;
/** What fails from then on fails for all files, and to open one changes nothing yet. */
const TAKES_ROOM_OF_A_FILE = /^(?:write|rename|renameat2|mkdir|fsync)$/;
/** A disk that says it is full and has room when the program asks is one that fails. */
const FULL = { what: 'error=ENOSPC', kills: null, codes: ['agent/full', 'agent/disk'] } as const;

export const PROGRAM_DISTURBANCES: readonly ProgramDisturbance[] = [
  { ...KILL, name: 'SIGKILL', kills: 'group', codes: ['agent/slots'] },
  { ...KILL, name: 'SIGKILL with the agent', kills: 'agent', codes: null },
  { name: 'EIO', what: 'error=EIO', lasts: false, kills: null, calls: /./, codes: ['agent/disk'] },
  { ...FULL, name: 'ENOSPC', lasts: false, calls: TAKES_ROOM },
  { ...FULL, name: 'ENOSPC from then on', lasts: true, calls: TAKES_ROOM_OF_A_FILE },
  {
    ...{ name: 'EROFS from then on', what: 'error=EROFS', lasts: true, kills: null },
    ...{ calls: /^(?!openat)/, codes: ['agent/disk'] },
  },
];

/** As `disturb`, at calls of the slots' program and of those that it runs. */
export async function disturbPrograms(
  host: PowerFailHost,
  turn: Turn,
  { ended: undisturbed, ...recording }: Recording & { readonly ended: Ended },
  {
    disturbance,
    every,
    offset,
  }: {
    readonly disturbance: ProgramDisturbance;
    readonly every: number;
    readonly offset: number;
  },
): Promise<Disturbed> {
  const after = await aftermathOf(host, turn);
  const calls = host.kind.slots === 'command' ? numberedCalls(recording, host.kind.script) : [];
  const { name, what, lasts, kills, codes } = disturbance;
  const chosen = calls
    .map((call, at) => ({ call, at }))
    .filter(({ call }) => disturbance.calls.test(call.name))
    .filter((_, index) => index % every === offset % every);
  for (const { call, at } of chosen) {
    await after.begin();
    const ended = await disturbProgram(host, calls, { what, lasts, kills, at });
    const complaint = complaintOfEnd(ended, undisturbed, codes);
    const where = `${name} at ${call.name} of ${call.path} by program ${call.number}`;
    await after.look({ complaint, where, ended });
  }
  return after.all();
}
