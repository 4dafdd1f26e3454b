import type { CheckIn } from '../../core/check-in.ts';
import type { PowerFailHost } from './host.ts';
import type { Call, Recording } from './operations.ts';
import type { Count } from './power-loss.ts';
import { complaintOf, complaintOfReports, recover } from './recover.ts';
import { disturbAgent, runToDeath, runWithShortWrites } from './run-agent.ts';
import type { Ended, Fault } from './run-agent.ts';
import type { Turn } from './story.ts';
import { readTree, writeTree } from './tree-on-disk.ts';
import { Judge } from './verdict.ts';

/** What is done to calls of the agent: `name` in the words of the table. */
export type Disturbance = Pick<Fault, 'what' | 'lasts'> & {
  readonly name: string;
  /** Which calls are disturbed: those that change files, or those that read them. */
  readonly at: 'change' | 'read';
  /** The calls that can end like this. */
  readonly calls: RegExp;
  /** What the agent must say; null if it does not live to say anything. */
  readonly code: string | null;
};

const TAKES_ROOM = /^(?:write|pwrite64|rename|mkdir|symlink|fsync)$/;

export const KILL: Disturbance = {
  ...{
    name: 'SIGKILL',
    at: 'change',
    what: 'signal=SIGKILL',
    lasts: false,
    calls: /./,
    code: null,
  },
};

const FAILING = { calls: /./, lasts: false, code: 'agent/disk' } as const;
const FULL = { at: 'change', what: 'error=ENOSPC', calls: TAKES_ROOM, code: 'agent/full' } as const;

export const FAULTS: readonly Disturbance[] = [
  { ...FAILING, name: 'EIO', at: 'change', what: 'error=EIO' },
  { ...FULL, name: 'ENOSPC', lasts: false },
  { ...FULL, name: 'ENOSPC from then on', lasts: true },
  { ...FAILING, name: 'EROFS from then on', at: 'change', what: 'error=EROFS', lasts: true },
  { ...FAILING, name: 'EIO', at: 'read', what: 'error=EIO' },
];

export type Disturbed = Count & {
  /** What the first run did that must never be; null if there is none. */
  readonly first: string | null;
  /** States of the journal that runs ended in. */
  readonly phases: ReadonlySet<string>;
};

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
    const complaint = complaintOfEnd(ended, undisturbed, disturbance);
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
type Left = {
  /** What is wrong already; null if nothing is. */
  readonly complaint: string | null;
  readonly where: string;
  readonly ended: Ended;
};

function isJournalWrite(call: Call | undefined): boolean {
  return call?.name === 'rename' && call.path === 'state/journal.json';
}

/** Looks at what disturbed runs leave, and counts them. */
async function aftermathOf(host: PowerFailHost, turn: Turn) {
  const judge = await Judge.of(host);
  const count = { states: 0, old: 0, new: 0, neither: 0 };
  const phases = new Set<string>();
  let first: string | null = null;
  let told = 0;
  const complaintAt = async (isOff: boolean, checkIns: readonly CheckIn[]) => {
    const rest = await recover(host, { isOff });
    return complaintOf(rest, turn) ?? complaintOfReports([...checkIns, ...rest.checkIns]);
  };
  return {
    async begin(): Promise<void> {
      writeTree(host.folder, turn.begin);
      await host.forgetOrder();
      told = host.world.checkIns.length;
    },
    async look({ complaint: before, where, ended }: Left): Promise<void> {
      const left = readTree(host.folder);
      const { boots, damaged } = await judge.judge(left);
      phases.add((await (await host.agent()).journal.read()).state.kind);
      const checkIns = host.world.checkIns.slice(told);
      const goneOn = await complaintAt(false, checkIns);
      writeTree(host.folder, left);
      const booted = await complaintAt(true, checkIns);
      const complaint =
        before ?? (damaged.length > 0 ? `${damaged.join()} damaged` : null) ?? goneOn ?? booted;
      const found = boots === turn.old ? 'old' : boots === turn.new ? 'new' : 'neither';
      const outcome = complaint === null ? found : 'neither';
      count.states += 1;
      count[outcome] += 1;
      if (outcome === 'neither') {
        const what = complaint ?? 'boots neither';
        first ??= `${turn.name}: ${where}: ${what}: ${JSON.stringify(ended)}`;
      }
    },
    all: (): Disturbed => ({ ...count, first, phases }),
  };
}

/** Null if the program ended as it should; what it says is one clear message, or the result of a cycle that failed. */
function complaintOfEnd(
  { code, signal, stdout, stderr }: Ended,
  undisturbed: Ended,
  { code: expected }: Disturbance,
): string | null {
  if (expected === null) return signal === 'SIGKILL' ? null : `ended with ${code}`;
  const errors = stderr.match(/^tidegate: error: .*$/gm) ?? [];
  // What is only tidied up may fail unseen, a report that cannot be sent waits, and an image that cannot be read is brought anew.
  if (code === undisturbed.code && isSameResult(stdout, undisturbed.stdout)) return null;
  if (code !== 1 || errors.length !== 1) return `ended with ${code} and ${errors.length} errors`;
  const said = `${stdout}${stderr}`;
  return said.includes(expected) ? null : `does not say ${expected}`;
}

/** However many bytes it took. */
function isSameResult(one: string, other: string): boolean {
  const [a, b] = [one, other].map((line) => line.replace(/"bytesFetched":\d+/, ''));
  return a === b;
}
