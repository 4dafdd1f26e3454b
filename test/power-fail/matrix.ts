import { disturb, FAULTS, KILL, killAtBoot, shorten } from './disturbances.ts';
import { PowerFailHost } from './host.ts';
import type { HostKind } from './host.ts';
import { losePower } from './power-loss.ts';
import type { Count, LossOptions } from './power-loss.ts';
import { recordAgent } from './run-agent.ts';
import { disturbPrograms, PROGRAM_DISTURBANCES } from './program-disturbances.ts';
import { storyOf } from './story.ts';
import { readTree, writeTree } from './tree-on-disk.ts';
import { VolatileTree } from './volatile-tree.ts';
import type { Tree } from './volatile-tree.ts';

export type MatrixOptions = Omit<LossOptions, 'unitBytes'> & {
  readonly hosts: readonly (HostKind & {
    readonly units: readonly number[];
    /** Whose calls are killed and fail. */
    readonly disturbs: readonly ('agent' | 'program')[];
  })[];
  /** One call of so many that change a file is killed, one of so many fails in each way, and one of so many that read. */
  readonly killEvery: number;
  readonly failEvery: number;
  readonly readEvery: number;
  /** The same, each for itself, of the calls by which programs change files. */
  readonly programEvery: number;
  readonly say?: (line: string) => void;
};

/** One line of the table: what was done to a host, and in which step. */
export type Row = Count & { readonly host: string; readonly what: string; readonly step: string };

export type Matrix = {
  readonly rows: readonly Row[];
  /** Hosts that went on from a power loss to the end. */
  readonly recovered: number;
  /** States of the journal that a killed agent left. */
  readonly phases: ReadonlySet<string>;
  /** Whatever must never be, with what led to it. */
  readonly complaints: readonly string[];
};

const STEPS = {
  change: 'any change',
  read: 'any read',
  program: 'any change of the program',
} as const;

/** Every host lives its story, beside the others; at each turn everything that can go wrong goes wrong. */
export async function runMatrix(options: MatrixOptions): Promise<Matrix> {
  const rows = new Map<string, Row>();
  const phases = new Set<string>();
  const complaints: string[] = [];
  let recovered = 0;
  const add = (host: string, [what, step]: readonly [string, string], count: Count) => {
    const key = `${host} ${what} ${step}`;
    const before = rows.get(key) ?? { states: 0, old: 0, new: 0, neither: 0 };
    rows.set(key, { ...{ host, what, step }, ...sumOf(before, count) });
  };
  const live = async (kind: MatrixOptions['hosts'][number]): Promise<void> => {
    await using host = await PowerFailHost.open(kind);
    for await (const turn of storyOf(host)) {
      const say = (line: string) => options.say?.(`${host.name}, ${turn.name}: ${line}`);
      const note = (first: string | null) => {
        if (first !== null) complaints.push(`${host.name}: ${first}`);
      };
      writeTree(host.folder, turn.begin);
      await host.forgetOrder();
      const recording = await recordAgent(host);
      const ordersBoot = host.isToldToBoot();
      const areas = await host.areas();
      const end = new VolatileTree(turn.begin, { unitBytes: 4096, areas });
      for (const operation of recording.operations) end.apply(operation);
      if (!isSameTree(end.now(), readTree(host.folder))) note('the recording has gaps');
      for (const unitBytes of kind.units) {
        const lossOptions = { ...options, unitBytes };
        const losses = await losePower(host, turn, recording.operations, lossOptions);
        for (const [step, count] of losses.steps) {
          add(host.name, [`power loss, units of ${unitBytes} bytes`, step], count);
        }
        recovered += losses.recovered;
        note(losses.first);
        say(`power lost in units of ${unitBytes} bytes`);
      }
      for (const [index, disturbance] of PROGRAM_DISTURBANCES.entries()) {
        if (!kind.disturbs.includes('program')) break;
        const every = options.programEvery;
        const offset = Math.floor((index * every) / PROGRAM_DISTURBANCES.length);
        const choice = { disturbance, every, offset };
        const left = await disturbPrograms(host, turn, recording, choice);
        add(host.name, [disturbance.name, STEPS.program], left);
        if (disturbance.codes === null) left.phases.forEach((phase) => phases.add(phase));
        note(left.first);
        say(`${disturbance.name} at ${STEPS.program}`);
      }
      if (!kind.disturbs.includes('agent')) continue;
      const killed = await disturb(host, turn, recording, {
        disturbance: KILL,
        every: options.killEvery,
        isInEveryPhase: true,
      });
      add(host.name, [KILL.name, STEPS[KILL.at]], killed);
      killed.phases.forEach((phase) => phases.add(phase));
      note(killed.first);
      if (ordersBoot) {
        const left = await killAtBoot(host, turn);
        add(host.name, [KILL.name, 'order to boot'], left);
        left.phases.forEach((phase) => phases.add(phase));
        note(left.first);
      }
      say('killed');
      for (const [index, disturbance] of FAULTS.entries()) {
        // Where not every call can fail in every way, each way has calls of its own.
        const every = disturbance.at === 'read' ? options.readEvery : options.failEvery;
        const offset = Math.floor((index * every) / FAULTS.length);
        const choice = { disturbance, every, offset };
        const failed = await disturb(host, turn, recording, choice);
        add(host.name, [disturbance.name, STEPS[disturbance.at]], failed);
        note(failed.first);
        say(`${disturbance.name} at ${STEPS[disturbance.at]}`);
      }
      const shortened = await shorten(host, turn, recording);
      add(host.name, ['short writes', 'all writes'], shortened);
      note(shortened.first);
    }
  };
  await Promise.all(options.hosts.map((kind) => live(kind)));
  // By host, and within it in the order in which things first went wrong.
  const orders = { host: orderOf('host', rows), what: orderOf('what', rows) };
  const place = ({ host, what }: Row) =>
    orders.host.indexOf(host) * 100 + orders.what.indexOf(what);
  const sorted = [...rows.values()].toSorted((a, b) => place(a) - place(b));
  return { rows: sorted, recovered, phases, complaints };
}

export function sumOf(a: Count, b: Count): Count {
  return {
    states: a.states + b.states,
    old: a.old + b.old,
    new: a.new + b.new,
    neither: a.neither + b.neither,
  };
}

function orderOf(key: 'host' | 'what', rows: ReadonlyMap<string, Row>): readonly string[] {
  return [...new Set([...rows.values()].map((row) => row[key]))];
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

/** Whether what was recorded explains all that is there. */
function isSameTree(a: Tree, b: Tree): boolean {
  const textOf = (tree: Tree) =>
    [...tree]
      .toSorted(([one], [other]) => compare(one, other))
      .map(([path, content]) =>
        content.kind === 'file'
          ? `${path} ${Buffer.from(content.bytes).toString('base64')}`
          : `${path} ${JSON.stringify(content)}`,
      )
      .join('\n');
  return textOf(a) === textOf(b);
}
