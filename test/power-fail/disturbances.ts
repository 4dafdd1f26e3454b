import { aftermathOf, complaintOfEnd } from './aftermath.ts';
import type { Disturbed } from './aftermath.ts';
import type { PowerFailHost } from './host.ts';
import type { Call, Recording } from './operations.ts';
import { disturbAgent, runToDeath, runWithShortWrites } from './run-agent.ts';
import type { Ended, Fault } from './run-agent.ts';
import type { Turn } from './story.ts';

/** What is done to calls of the agent: `name` in the words of the table. */
export type Disturbance = Pick<Fault, 'what' | 'lasts'> & {
  readonly name: string;
  /** Which calls are disturbed: those that change files, or those that read them. */
  readonly at: 'change' | 'read';
  /** The calls that can end like this. */
  readonly calls: RegExp;
  /** One of these the agent must say; null if it does not live to say anything. */
  readonly codes: readonly string[] | null;
};

const TAKES_ROOM = /^(?:write|pwrite64|rename|mkdir|symlink|fsync)$/;

export const KILL: Disturbance = {
  ...{
    name: 'SIGKILL',
    at: 'change',
    what: 'signal=SIGKILL',
    lasts: false,
    calls: /./,
    codes: null,
  },
};

const FAILING = { calls: /./, lasts: false, codes: ['agent/disk'] } as const;
const FULL = {
  at: 'change',
  what: 'error=ENOSPC',
  calls: TAKES_ROOM,
  codes: ['agent/full'],
} as const;

export const FAULTS: readonly Disturbance[] = [
  { ...FAILING, name: 'EIO', at: 'change', what: 'error=EIO' },
  { ...FULL, name: 'ENOSPC', lasts: false },
  { ...FULL, name: 'ENOSPC from then on', lasts: true },
  { ...FAILING, name: 'EROFS from then on', at: 'change', what: 'error=EROFS', lasts: true },
  { ...FAILING, name: 'EIO', at: 'read', what: 'error=EIO' },
];

/**
 * Runs a turn once for each of these calls, disturbs it there, and lets the host go on undisturbed, at once and after a boot.
 * In between it must boot the old or the new release, and at rest be where an undisturbed host is.
 */
export async function disturb(
  host: PowerFailHost,
  turn: Turn,
  { calls: changes, reads, ended: undisturbed }: Recorded,
  { disturbance, every, offset = 0, isInEveryPhase = false }: Choice,
): Promise<Disturbed> {
  const after = await aftermathOf(host, turn);
  const calls = disturbance.at === 'change' ? changes : reads;
  const chosen = calls
    .map((call, index) => ({ call, at: index }))
    .filter(({ call }) => disturbance.calls.test(call.name))
    .filter(
      ({ at }, index) =>
        index % every === offset % every || (isInEveryPhase && isJournalWrite(calls[at - 1])),
    );
  for (const { call, at } of chosen) {
    await after.begin();
    const ended = await disturbAgent(host, calls, {
      what: disturbance.what,
      lasts: disturbance.lasts,
      at,
    });
    const complaint = complaintOfEnd(ended, undisturbed, disturbance.codes);
    const where = `${disturbance.name} at ${call.name} of ${call.path}`;
    await after.look({ complaint, where, ended });
  }
  return after.all();
}

/** The same for one run of which every write to a file is short, which must end as if none was. */
export async function shorten(
  host: PowerFailHost,
  turn: Turn,
  { ended: undisturbed }: Recorded,
): Promise<Disturbed> {
  const after = await aftermathOf(host, turn);
  await after.begin();
  const ended = await runWithShortWrites(host);
  const isSame = ended.code === undisturbed.code && ended.stdout === undisturbed.stdout;
  const complaint = isSame ? null : 'ended otherwise';
  await after.look({ complaint, where: 'short writes', ended });
  return after.all();
}

/** The same for a run that ends when it asks for a boot: no call on a file lies between that and the journal before. */
export async function killAtBoot(host: PowerFailHost, turn: Turn): Promise<Disturbed> {
  const after = await aftermathOf(host, turn);
  await after.begin();
  const ended = await runToDeath(host);
  await after.look({ complaint: null, where: 'killed at the order to boot', ended });
  return after.all();
}

type Recorded = Recording & { readonly ended: Ended };
type Choice = {
  readonly disturbance: Disturbance;
  /** One call of so many, from `offset` on. */
  readonly every: number;
  readonly offset?: number;
  /** Whether the first call after each change of the journal is one of them too. */
  readonly isInEveryPhase?: boolean;
};

function isJournalWrite(call: Call | undefined): boolean {
  return call?.name === 'rename' && call.path === 'state/journal.json';
}
