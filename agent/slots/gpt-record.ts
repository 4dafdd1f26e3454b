import { createHash } from 'node:crypto';
import { join } from 'node:path';
import * as z from 'zod';
import { PART_NAMES } from '../../core/gpt/sets.ts';
import type { PartName, PartitionSet } from '../../core/gpt/sets.ts';
import { readChecked, writeChecked } from '../durable.ts';
import { parseOrNull } from './seal.ts';
import type { SealedSlot } from './slots.ts';

const size = z.int().min(0);
const recordSchema = z.strictObject({
  schema: z.literal('tidegate.gpt-slot/1'),
  /** Bytes of each image that was written to its end since the slot was cleared. */
  written: z.strictObject({
    boot: size.optional(),
    root: size.optional(),
    hash: size.optional(),
  }),
  /** The signed document that all of them were compared with; null before. */
  document: z.strictObject({ base64: z.string(), sha256: z.string() }).nullable(),
});

/** What the agent knows of the content of a slot: a partition has no file system to write it on. */
export type SlotRecord = {
  readonly written: Readonly<Partial<Record<PartName, number>>>;
  readonly document: Uint8Array | null;
};

export const NO_RECORD: SlotRecord = { written: {}, document: null };

/** The records of a disk's slots, each named after its boot partition. A lost or damaged record is an unsealed slot. */
export class SlotRecords {
  readonly #folder: string;

  constructor(stateFolder: string) {
    this.#folder = join(stateFolder, 'slots');
  }

  async read(set: PartitionSet): Promise<SlotRecord> {
    const read = await readChecked(this.#pathOf(set), recordSchema);
    if (read.kind !== 'value') return NO_RECORD;
    const { document } = read.value;
    const bytes = document === null ? null : Buffer.from(document.base64, 'base64');
    if (bytes !== null && sha256(bytes) !== document?.sha256) return NO_RECORD;
    const written = PART_NAMES.flatMap((name) => {
      const byteCount = read.value.written[name];
      return byteCount === undefined ? [] : [[name, byteCount] as const];
    });
    return { written: Object.fromEntries(written), document: bytes };
  }

  async write(set: PartitionSet, { written, document }: SlotRecord): Promise<void> {
    await writeChecked(this.#pathOf(set), {
      schema: 'tidegate.gpt-slot/1',
      written,
      document:
        document === null
          ? null
          : { base64: Buffer.from(document).toString('base64'), sha256: sha256(document) },
    });
  }

  #pathOf({ boot }: PartitionSet): string {
    return join(this.#folder, `${boot.uniqueGuid}.json`);
  }
}

/** What a record seals; null if it does not, or if its sizes are not those of its document. */
export function sealedBy({ written, document }: SlotRecord): SealedSlot | null {
  const release = document === null ? null : parseOrNull(document);
  if (document === null || release === null) return null;
  const names = Object.keys(release.images);
  const isWhole =
    names.length === Object.keys(written).length &&
    PART_NAMES.every((name) => written[name] === release.images[name]?.size);
  return isWhole ? { release, document } : null;
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
