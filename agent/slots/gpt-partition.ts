import { constants, open, readdir, readFile, stat } from 'node:fs/promises';
import { errnoOf } from '../../adapters/storage/file-errors.ts';
import type { GptEntry } from '../../core/gpt/entries.ts';
import { onDisk } from '../on-disk.ts';
import { AgentError } from '../errors.ts';
import { readWhole, sysfsOf } from './disk-file.ts';
import { HandleWriter } from './image-writer.ts';
import type { ImageWriter } from './slots.ts';

/** Where a partition lies: a stretch of a disk image, or of the device that is the partition alone. */
export type Partition = {
  readonly path: string;
  readonly at: number;
  readonly byteCount: number;
};

const READ_BYTES = 1024 * 1024;
const SYSFS_UNIT = 512;

/**
 * Finds a partition of a disk. On a block device it is the kernel's device of it, which refuses to be written while it is
 * mounted or mapped; a kernel that knows no partitions of the disk leaves the stretch of the disk itself.
 */
export async function findPartition(
  disk: string,
  { sectorSize, entry }: { readonly sectorSize: number; readonly entry: GptEntry },
): Promise<Partition> {
  const at = entry.firstLba * sectorSize;
  const byteCount = (entry.lastLba - entry.firstLba + 1) * sectorSize;
  return onDisk(`looking for partition ${entry.index + 1} of ${disk}`, async () => {
    const isDevice = (await stat(disk)).isBlockDevice();
    const device = isDevice ? await deviceOf(disk, entry.index + 1) : null;
    if (device === null) return { path: disk, at, byteCount };
    if (device.at !== at || device.byteCount !== byteCount) {
      throw new AgentError(
        'agent/slots',
        `the kernel has another idea of ${device.path} than the partition table of ${disk}`,
        { hints: [`run \`partx --update ${disk}\` or reboot`] },
      );
    }
    return { path: device.path, at: 0, byteCount };
  });
}

/** Starts an image of exactly `size` bytes at the partition's beginning; bytes behind it are left as they are. */
export async function openPartition(partition: Partition, size: number): Promise<ImageWriter> {
  const { path, byteCount } = partition;
  if (size > byteCount) {
    throw new AgentError('agent/full', `${path} has ${byteCount} bytes, the image ${size}`);
  }
  const handle = await onDisk(`opening ${path}`, async () => open(path, await flagsOf(path)));
  return new HandleWriter({ path, at: partition.at, size, handle });
}

/** The first bytes of a partition, through a newly opened handle. */
export async function* readPartition(
  { path, at }: Partition,
  size: number,
): AsyncGenerator<Uint8Array> {
  const handle = await onDisk(`opening ${path}`, () => open(path, 'r'));
  try {
    for (let done = 0; done < size;) {
      const count = Math.min(READ_BYTES, size - done);
      yield await onDisk(`reading ${path}`, () => readWhole(handle, path, at + done, count));
      done += count;
    }
  } finally {
    await handle.close();
  }
}

/** On a device O_EXCL means: only if nobody has mounted or mapped it. */
async function flagsOf(path: string): Promise<number> {
  const isDevice = (await stat(path)).isBlockDevice();
  return isDevice ? constants.O_RDWR | constants.O_EXCL : constants.O_RDWR;
}

async function deviceOf(disk: string, number: number): Promise<Partition | null> {
  const folder = await sysfsOf(disk);
  for (const child of await readdir(folder)) {
    const text = await readFile(`${folder}/${child}/partition`, 'utf8').catch(noPartition);
    if (text === null || Number(text) !== number) continue;
    const read = async (file: string) => readFile(`${folder}/${child}/${file}`, 'utf8');
    return {
      path: `/dev/${child}`,
      at: Number(await read('start')) * SYSFS_UNIT,
      byteCount: Number(await read('size')) * SYSFS_UNIT,
    };
  }
  return null;
}

/** Most of what lies in a disk's folder is no partition. */
function noPartition(error: unknown): null {
  const errno = errnoOf(error);
  if (errno === 'ENOENT' || errno === 'ENOTDIR') return null;
  throw error;
}
