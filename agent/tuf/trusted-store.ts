import { join } from 'node:path';
import * as z from 'zod';
import { readChecked, writeChecked } from '../durable.ts';
import { anchorIdSchema, isOfAnotherRepository } from './anchor.ts';
import type { AnchorId } from './anchor.ts';

const metadataSchema = z
  .object({
    /** Metadata by role name as it was last verified, snapshot and timestamp among them. */
    roles: z.record(z.string(), z.string()).readonly(),
    /** The roots after the anchor, by version. */
    roots: z.record(z.string(), z.string()).readonly(),
    /** What it all was verified from. */
    anchor: anchorIdSchema.optional(),
  })
  .readonly();

const versionSchema = z.object({
  version: z.int().min(0),
  /** Key ids that the root names for the role: versions may start anew under other keys. */
  keyIds: z.array(z.string()).readonly(),
});

const floorSchema = z
  .object({
    /** The latest time at which a refresh went well, in ms since the epoch. */
    latestMs: z.int().min(0),
    root: z.int().min(0),
    timestamp: versionSchema.readonly(),
    snapshot: versionSchema.readonly(),
    /** By role name, of the targets roles. */
    roles: z.record(z.string(), z.int()).readonly(),
    anchor: anchorIdSchema.optional(),
  })
  .readonly();

/** The texts that were verified, as they came. They prove themselves again at every start. */
export type TrustedMetadata = z.infer<typeof metadataSchema>;

/** What nothing that is trusted later may be below. */
export type Floor = z.infer<typeof floorSchema>;

export const NO_METADATA: TrustedMetadata = { roles: {}, roots: {} };
export const NO_FLOOR: Floor = {
  latestMs: 0,
  root: 0,
  timestamp: { version: 0, keyIds: [] },
  snapshot: { version: 0, keyIds: [] },
  roles: {},
};

export type Remembered = {
  readonly metadata: TrustedMetadata;
  readonly floor: Floor;
  /** Files that were found damaged and count as empty. */
  readonly damaged: readonly string[];
};

/**
 * What this host trusts, in two files that are each replaced in one step. Rollback protection rests on either alone: the
 * metadata itself is what newer metadata is compared with, and the floor holds its versions once more.
 */
export class TrustedStore {
  readonly #metadataFile: string;
  readonly #floorFile: string;

  constructor(folder: string) {
    this.#metadataFile = join(folder, 'metadata.json');
    this.#floorFile = join(folder, 'floor.json');
  }

  async read(): Promise<Remembered> {
    const metadata = await readChecked(this.#metadataFile, metadataSchema);
    const floor = await readChecked(this.#floorFile, floorSchema);
    const files = [
      { path: this.#metadataFile, kind: metadata.kind },
      { path: this.#floorFile, kind: floor.kind },
    ];
    // They are always written as a pair, the floor first: metadata without a floor has lost it.
    const isDamaged = ({ path, kind }: (typeof files)[number]) =>
      kind === 'damaged' ||
      (kind === 'none' && path === this.#floorFile && metadata.kind !== 'none');
    return {
      metadata: metadata.kind === 'value' ? metadata.value : NO_METADATA,
      floor: floor.kind === 'value' ? floor.value : NO_FLOOR,
      damaged: files.filter(isDamaged).map(({ path }) => path),
    };
  }

  /**
   * As `read`, without what belongs to another repository: an image with another trust anchor has left it behind. Only the
   * time stays, which is the same everywhere.
   */
  async readFor(anchor: AnchorId): Promise<Remembered> {
    const { metadata, floor, damaged } = await this.read();
    const isOther = (known: AnchorId | undefined) =>
      isOfAnotherRepository(anchor, known, metadata.roots);
    return {
      metadata: isOther(metadata.anchor) ? NO_METADATA : metadata,
      floor: isOther(floor.anchor) ? { ...NO_FLOOR, latestMs: floor.latestMs } : floor,
      damaged,
    };
  }

  async writeFloor(floor: Floor): Promise<void> {
    await writeChecked(this.#floorFile, floor);
  }

  async writeMetadata(metadata: TrustedMetadata): Promise<void> {
    await writeChecked(this.#metadataFile, metadata);
  }
}
