import type { HostKind } from './host.ts';
import type { Operation } from './operations.ts';
import type { Area } from './volatile-tree.ts';

type Sync = Extract<Operation, { kind: 'sync' }>;
type Place = {
  /** What was done before it. */
  readonly before: Operation | undefined;
  readonly areas: readonly Area[];
};

/** An agent that leaves out some of its syncs: the matrix must find it out. */
export type Mutant = {
  readonly name: string;
  readonly slots: readonly HostKind['slots'][];
  readonly leavesOut: (sync: Sync, place: Place) => boolean;
};

const IMAGE_FILE = /\/(?:root|hash|boot\.efi)(?:-[ab])?$/;
const DISK = 'disk.img';

const isTemporary = ({ path }: Sync) => path.endsWith('.tmp');
const isImage = ({ path, offsets: [first = -1] }: Sync, areas: readonly Area[]) =>
  IMAGE_FILE.test(path) ||
  (path === DISK && areas.some(({ from, to }) => first >= from && first < to));
const isFolder = ({ path }: Sync) => !/\.(?:tmp|img)$/.test(path) && !IMAGE_FILE.test(path);
/** The copies of the table lie before all partitions and behind them. */
const isBehind = (operation: Operation | undefined, areas: readonly Area[]) =>
  operation?.kind === 'write' && areas.every(({ to }) => operation.at >= to);
const isBefore = (operation: Operation | undefined, areas: readonly Area[]) =>
  operation?.kind === 'write' && areas.every(({ from }) => operation.at < from);

export const MUTANTS: readonly Mutant[] = [
  { name: 'syncs nothing', slots: ['directory', 'gpt', 'command'], leavesOut: () => true },
  {
    name: 'syncs no image',
    slots: ['directory', 'gpt', 'command'],
    leavesOut: (sync, { areas }) => isImage(sync, areas),
  },
  {
    name: 'syncs no file before it is renamed',
    slots: ['directory', 'gpt', 'command'],
    leavesOut: isTemporary,
  },
  { name: 'syncs no folder', slots: ['directory', 'gpt', 'command'], leavesOut: isFolder },
  {
    name: 'has no barrier between the copies of the table',
    slots: ['gpt'],
    leavesOut: ({ path }, { before, areas }) => path === DISK && isBehind(before, areas),
  },
  {
    name: 'does not sync the primary copy of the table',
    slots: ['gpt'],
    leavesOut: ({ path }, { before, areas }) => path === DISK && isBefore(before, areas),
  },
];

/** What such an agent would have done. */
export function mutated(
  operations: readonly Operation[],
  { leavesOut }: Mutant,
  areas: readonly Area[],
): readonly Operation[] {
  return operations.filter(
    (operation, index) =>
      operation.kind !== 'sync' || !leavesOut(operation, { before: operations[index - 1], areas }),
  );
}
