import type { GptEntry } from './entries.ts';
import { GptError } from './errors.ts';
import type { Side } from './slot-bits.ts';

/** Bottlerocket's partition types; each image of a slot has a partition of the type of its name. */
export const SLOT_TYPES = {
  boot: '6b636168-7420-6568-2070-6c616e657421',
  root: '5526016a-1a97-4ea4-b39a-b7c8c6ca4502',
  hash: '598f10af-c955-4456-6a99-7720068a6cea',
} as const;
const PRIVATE_TYPE = '440408bb-eb0b-4328-a6e5-a29038fad706';

export type PartName = keyof typeof SLOT_TYPES;
export const PART_NAMES = ['boot', 'root', 'hash'] as const satisfies readonly PartName[];

/** The partitions of one slot. */
export type PartitionSet = Readonly<Record<PartName, GptEntry>>;

export type PartitionSets = {
  readonly a: PartitionSet;
  readonly b: PartitionSet;
  /** Bottlerocket's private partition; null on a disk without one. */
  readonly private: GptEntry | null;
};

/** The two sets, A before B in the order of the entries. Throws `gpt/sets` unless there are two of each type. */
export function findSets(entries: readonly GptEntry[]): PartitionSets {
  const ofType = (guid: string) => entries.filter(({ typeGuid }) => typeGuid === guid);
  const pairs = PART_NAMES.map((name) => {
    const found = ofType(SLOT_TYPES[name]);
    const [a, b] = found;
    if (a === undefined || b === undefined || found.length !== 2) {
      throw new GptError('gpt/sets', `two slots need 2 ${name} partitions, got ${found.length}`, {
        hints: [`their type is ${SLOT_TYPES[name]}`],
      });
    }
    return { name, a, b };
  });
  const ofPrivate = ofType(PRIVATE_TYPE);
  if (ofPrivate.length > 1) {
    throw new GptError('gpt/sets', `one private partition is enough, got ${ofPrivate.length}`);
  }
  return { a: setOf(pairs, 'a'), b: setOf(pairs, 'b'), private: ofPrivate[0] ?? null };
}

/** Which slot the kernel runs from, by the partitions that its command line names; null if by none of a slot. */
export function runningSide(sets: PartitionSets, commandLine: string): Side | null {
  const named = partuuidsOf(commandLine);
  const isNamed = (side: Side) => PART_NAMES.some((name) => named.has(sets[side][name].uniqueGuid));
  if (isNamed('a') && isNamed('b')) {
    throw new GptError('gpt/sets', 'the kernel command line names partitions of both slots');
  }
  if (isNamed('a')) return 'a';
  return isNamed('b') ? 'b' : null;
}

/** The PARTUUIDs of `root=` and of dm-verity's `dm-mod.create=`: other parameters may name any partition. */
function partuuidsOf(commandLine: string): ReadonlySet<string> {
  const parameters = commandLine.match(/(?:"[^"]*"|[^\s"])+/g) ?? [];
  const roots = parameters.filter((text) => /^"?(?:root|dm-mod\.create)=/.test(text));
  const uuids = roots.flatMap((text) => [...text.matchAll(/PARTUUID=([0-9a-f-]{36})/gi)]);
  return new Set(uuids.map(([, uuid = '']) => uuid.toLowerCase()));
}

function setOf(
  pairs: readonly ({ readonly name: PartName } & Readonly<Record<Side, GptEntry>>)[],
  side: Side,
): PartitionSet {
  const of = (wanted: PartName): GptEntry => {
    const pair = pairs.find(({ name }) => name === wanted);
    if (pair === undefined) throw new Error(`no pair of ${wanted}`);
    return pair[side];
  };
  return { boot: of('boot'), root: of('root'), hash: of('hash') };
}
