import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openDisk } from '../../../agent/slots/disk-file.ts';
import { changeBits } from '../../../agent/slots/gpt-bits.ts';
import { readGpt } from '../../../agent/slots/gpt-disk.ts';
import { GptSlots } from '../../../agent/slots/gpt.ts';
import type { GptOptions } from '../../../agent/slots/gpt.ts';
import type { SectorSize } from '../../../core/gpt/header.ts';
import { findSets } from '../../../core/gpt/sets.ts';
import type { PartName } from '../../../core/gpt/sets.ts';
import { afterBootOf, CLEARED, nextToBoot, readBits } from '../../../core/gpt/slot-bits.ts';
import type { Side, SlotPair } from '../../../core/gpt/slot-bits.ts';
import { sampleCopy, sampleDisk, slotPartitions } from '../../support/gpt-samples.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

export const EMPTY: SlotPair = { a: CLEARED, b: CLEARED };

export type GptHost = AsyncDisposable & {
  readonly folder: string;
  readonly options: GptOptions;
  slots(): GptSlots;
  pair(): Promise<SlotPair>;
  setPair(pair: SlotPair): Promise<void>;
  /** Boots as GRUB's gptprio does: takes a try, and tells the kernel where it came from. Null if nothing boots. */
  boot(): Promise<Side | null>;
  /** Where a partition's bytes lie in the disk image. */
  placeOf(side: Side, name: PartName): Promise<{ readonly at: number; readonly byteCount: number }>;
  /** Writes bytes into the disk image behind everybody's back. */
  poke(at: number, bytes: Uint8Array): Promise<void>;
};

/** A host whose disk is an image file with Bottlerocket's partitions; it was started from elsewhere. */
export async function gptHost({
  pair = EMPTY,
  sectorSize = 512,
  partitionBytes = 128 * 1024,
}: {
  readonly pair?: SlotPair;
  readonly sectorSize?: SectorSize;
  readonly partitionBytes?: number;
} = {}): Promise<GptHost> {
  const { path: folder, [Symbol.asyncDispose]: dispose } = await temporaryFolder();
  const disk = join(folder, 'disk.img');
  const kernelCommandLine = join(folder, 'cmdline');
  await writeFile(
    disk,
    sampleDisk(sampleCopy(slotPartitions(pair, partitionBytes), { sectorSize })),
  );
  await writeFile(kernelCommandLine, 'quiet root=/dev/sr0\n');
  const stateFolder = join(folder, 'state');
  const options = { disk, kernelCommandLine, stateFolder, active: 'auto', tries: 3 } as const;
  const sets = async () => {
    await using opened = await openDisk(disk, 'read');
    return findSets((await readGpt(opened)).entries);
  };
  const pairNow = async () => {
    const { a, b } = await sets();
    return { a: readBits(a.boot.attributes), b: readBits(b.boot.attributes) };
  };
  const setPair = (next: SlotPair) => changeBits(options, { step: () => next });
  return {
    ...{ folder, options, setPair, pair: pairNow },
    slots: () => new GptSlots(options),
    async boot() {
      const before = await pairNow();
      const side = nextToBoot(before);
      if (side === null) return null;
      await setPair(afterBootOf(before, side));
      const { root } = (await sets())[side];
      await writeFile(kernelCommandLine, `quiet root=PARTUUID=${root.uniqueGuid}\n`);
      return side;
    },
    async placeOf(side, name) {
      const { firstLba, lastLba } = (await sets())[side][name];
      return { at: firstLba * sectorSize, byteCount: (lastLba - firstLba + 1) * sectorSize };
    },
    async poke(at, bytes) {
      const handle = await open(disk, 'r+');
      await handle.write(bytes, 0, bytes.length, at);
      await handle.close();
    },
    [Symbol.asyncDispose]: dispose,
  };
}
