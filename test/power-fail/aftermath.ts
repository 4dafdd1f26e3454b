import type { CheckIn } from '../../core/check-in.ts';
import type { PowerFailHost } from './host.ts';
import type { Count } from './power-loss.ts';
import { complaintOf, complaintOfReports, recover } from './recover.ts';
import type { Ended } from './run-agent.ts';
import type { Turn } from './story.ts';
import { readTree, writeTree } from './tree-on-disk.ts';
import { Judge } from './verdict.ts';

export type Disturbed = Count & {
  /** What the first run did that must never be; null if there is none. */
  readonly first: string | null;
  /** States of the journal that runs ended in. */
  readonly phases: ReadonlySet<string>;
};

type Left = {
  /** What is wrong already; null if nothing is. */
  readonly complaint: string | null;
  readonly where: string;
  readonly ended: Ended;
};

/** Looks at what disturbed runs leave, and counts them. */
export async function aftermathOf(host: PowerFailHost, turn: Turn) {
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

/**
 * Null if the program ended as it should; what it says is one clear message with one
 * of these codes, or the result of a cycle that failed. Who is to be killed has none to say.
 */
export function complaintOfEnd(
  { code, signal, stdout, stderr }: Ended,
  undisturbed: Ended,
  expected: readonly string[] | null,
): string | null {
  if (expected === null) return signal === 'SIGKILL' ? null : `ended with ${code}`;
  const errors = stderr.match(/^tidegate: error: .*$/gm) ?? [];
  // What is only tidied up may fail unseen, a report that cannot be sent waits, and an image that cannot be read is brought anew.
  if (code === undisturbed.code && isSameResult(stdout, undisturbed.stdout)) return null;
  if (code !== 1 || errors.length !== 1) return `ended with ${code} and ${errors.length} errors`;
  const said = `${stdout}${stderr}`;
  return expected.some((one) => said.includes(one))
    ? null
    : `does not say ${expected.join(' or ')}`;
}

/** However many bytes it took. */
function isSameResult(one: string, other: string): boolean {
  const [a, b] = [one, other].map((line) => line.replace(/"bytesFetched":\d+/, ''));
  return a === b;
}
