import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { open, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { changeBits, viewSlots } from '../../../agent/slots/gpt-bits.ts';
import { GptSlots } from '../../../agent/slots/gpt.ts';
import { PART_NAMES, SLOT_TYPES } from '../../../core/gpt/sets.ts';
import { CLEARED } from '../../../core/gpt/slot-bits.ts';
import type { SlotPair } from '../../../core/gpt/slot-bits.ts';
import { PRIVATE_TYPE, sampleGuid } from '../../support/gpt-samples.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { codeOf } from '../error-code.ts';
import { fillInactive } from './install.ts';
import { sampleRelease } from './releases.ts';

const GOOD = { priority: 1, triesLeft: 0, successful: true };
const FLIPPED: SlotPair = { a: GOOD, b: { priority: 2, triesLeft: 3, successful: false } };
const MIB = 1024 * 1024;

async function tool(program: string, ...parameters: readonly string[]): Promise<string> {
  const env = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin`, LC_ALL: 'C' };
  const { stdout } = await promisify(execFile)(program, parameters, { env });
  return stdout;
}

/** A disk that sgdisk made: an image of 512-byte sectors, or a device of 4096-byte ones that an image is looped to. */
async function diskBySgdisk(sectorSize: 512 | 4096) {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder());
  const image = join(folder.path, 'disk.img');
  await writeFile(image, '');
  await truncate(image, 32 * MIB);
  let disk = image;
  if (sectorSize === 4096) {
    disk = (await tool('losetup', '--find', '--show', '--sector-size', '4096', image)).trim();
    stack.defer(async () => {
      await tool('losetup', '--detach', disk);
    });
  }
  const names = ['a', 'b'].flatMap((side) => PART_NAMES.map((name) => [side, name] as const));
  const made = names.flatMap(([side, name], index) => [
    ...[`--new=${index + 1}:0:+2M`, `--typecode=${index + 1}:${SLOT_TYPES[name]}`],
    `--partition-guid=${index + 1}:${sampleGuid(index + 1)}`,
    `--change-name=${index + 1}:${name}-${side}`,
  ]);
  const secret = ['--new=7:0:+1M', `--typecode=7:${PRIVATE_TYPE}`];
  // GRUB's boot code lies in the protective MBR.
  await tool('sgdisk', ...made, ...secret, '--attributes=1:=:0101000000000000', disk);
  const handle = await open(disk, 'r+');
  await handle.write(Buffer.alloc(440, 0xb0), 0, 440, 0);
  await handle.sync();
  await handle.close();
  const place = { disk, active: 'a', kernelCommandLine: '/nowhere' } as const;
  const bytesAt = async (at: number, length: number) => {
    const opened = await open(disk, 'r');
    const { buffer } = await opened.read(Buffer.alloc(length), 0, length, at);
    await opened.close();
    return buffer;
  };
  return {
    folder: folder.path,
    disk,
    image,
    place,
    bytesAt,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

const attributesBySgdisk = async (disk: string, number: number) =>
  /Attribute flags: ([0-9A-F]{16})/.exec(await tool('sgdisk', `--info=${number}`, disk))?.[1];

async function verify(disk: string): Promise<string> {
  return tool('sgdisk', '--verify', disk);
}

const dumpOf = async (disk: string) => tool('sfdisk', '--dump', disk);

describe.each([512, 4096] as const)('a disk of %p-byte sectors', (sectorSize) => {
  it('is read as sgdisk made it', async () => {
    await using test = await diskBySgdisk(sectorSize);
    const { gpt, sets, pair } = await viewSlots(test.place);
    expect(gpt).toMatchObject({ sectorSize, damaged: null });
    expect(pair).toEqual({ a: GOOD, b: CLEARED });
    expect(sets.b.root).toMatchObject({ index: 4, uniqueGuid: sampleGuid(5), name: 'root-b' });
    expect((sets.b.root.lastLba - sets.b.root.firstLba + 1) * sectorSize).toBe(2 * MIB);
    expect(sets.private?.index).toBe(6);
  });

  it('is whole to sgdisk and sfdisk after our changes, which are all that they see', async () => {
    await using test = await diskBySgdisk(sectorSize);
    const before = await dumpOf(test.disk);
    await changeBits(test.place, { step: () => FLIPPED, hasSucceeded: true });
    expect(await verify(test.disk)).toContain('No problems found');
    expect(await attributesBySgdisk(test.disk, 1)).toBe('0101000000000000');
    expect(await attributesBySgdisk(test.disk, 4)).toBe('0032000000000000');
    expect(await attributesBySgdisk(test.disk, 7)).toBe('0200000000000000');
    const lines = (await dumpOf(test.disk)).split('\n');
    const old = before.split('\n');
    const changed = lines.filter((line, index) => line !== old[index]);
    expect(changed.map((line) => /attrs="(.*)"/.exec(line)?.[1])).toEqual([
      'GUID:49,52,53',
      'GUID:57',
    ]);
    expect((await test.bytesAt(0, 440)).every((byte) => byte === 0xb0)).toBe(true);
  });

  it('is read as sgdisk and sfdisk changed it after us', async () => {
    await using test = await diskBySgdisk(sectorSize);
    await changeBits(test.place, { step: () => FLIPPED });
    await tool('sgdisk', '--attributes=4:=:0102000000000000', test.disk);
    const bySgdisk = await viewSlots(test.place);
    expect(bySgdisk.pair.b).toEqual({ priority: 2, triesLeft: 0, successful: true });
    await tool('sfdisk', '--no-reread', '--part-attrs', test.disk, '1', 'GUID:48,GUID:49,GUID:52');
    const bySfdisk = await viewSlots(test.place);
    expect(bySfdisk.pair.a).toEqual({ priority: 3, triesLeft: 1, successful: false });
    expect(bySfdisk.gpt.damaged).toBeNull();
  });

  it.each([
    { copy: 'primary' as const, at: () => sectorSize },
    { copy: 'backup' as const, at: () => 32 * MIB - sectorSize },
  ])('is repaired as sgdisk wants it when the $copy header is gone', async ({ copy, at }) => {
    await using test = await diskBySgdisk(sectorSize);
    const handle = await open(test.disk, 'r+');
    await handle.write(Buffer.alloc(sectorSize), 0, sectorSize, at());
    await handle.sync();
    await handle.close();
    expect((await viewSlots(test.place)).gpt.damaged?.copy).toBe(copy);
    await changeBits(test.place, { step: (pair) => pair });
    expect(await verify(test.disk)).toContain('No problems found');
    expect((await viewSlots(test.place)).gpt.damaged).toBeNull();
  });
});

describe('sgdisk on tables of other sizes', () => {
  it('makes tables of 256 entries that we change and it finds whole', async () => {
    await using test = await diskBySgdisk(512);
    await tool('sgdisk', '--move-second-header', '--resize-table=256', test.disk);
    await changeBits(test.place, { step: () => FLIPPED });
    expect(await verify(test.disk)).toContain('No problems found');
    expect(await attributesBySgdisk(test.disk, 4)).toBe('0032000000000000');
    expect((await readFile(test.image)).length).toBe(32 * MIB);
  });
});

describe('a block device whose partitions the kernel knows', () => {
  async function setup() {
    const stack = new AsyncDisposableStack();
    const test = stack.use(await diskBySgdisk(4096));
    await tool('partx', '--add', test.disk);
    stack.defer(async () => {
      await tool('partx', '--delete', test.disk);
    });
    const stateFolder = join(test.folder, 'state');
    const slots = new GptSlots({ ...test.place, stateFolder, tries: 3 });
    return { ...test, slots, [Symbol.asyncDispose]: () => stack.disposeAsync() };
  }

  it('gets its images through the devices of its partitions', async () => {
    await using test = await setup();
    const release = sampleRelease('1.0.0');
    await fillInactive(test.slots, release);
    expect((await test.slots.verifyInactive()).release.version).toBe('1.0.0');
    const image = release.images['root'] ?? Buffer.alloc(0);
    const partition = await open(`${test.disk}p5`, 'r');
    const { buffer } = await partition.read(Buffer.alloc(image.length), 0, image.length, 0);
    await partition.close();
    expect(Buffer.compare(buffer, image)).toBe(0);
    expect(await verify(test.disk)).toContain('No problems found');
  });

  it('is not written where somebody else holds a partition', async () => {
    await using test = await setup();
    await test.slots.clearInactive();
    // As a mount or a mapping does.
    const holder = await open(`${test.disk}p5`, constants.O_RDWR | constants.O_EXCL);
    expect(await codeOf(test.slots.writeImage('root', 1))).toBe('agent/disk');
    await holder.close();
    await (await test.slots.writeImage('root', 1)).abandon();
  });

  it('is not written while the kernel has an older idea of its partitions', async () => {
    await using test = await setup();
    await test.slots.clearInactive();
    const place = ['--delete=6', '--new=6:0:+1M', `--typecode=6:${SLOT_TYPES.hash}`];
    await tool('sgdisk', ...place, test.disk);
    expect(await codeOf(test.slots.writeImage('hash', 1))).toBe('agent/slots');
  });
});
