import { execFile } from 'node:child_process';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const PIECES = [65_536, 4096, 1];

export type SmallDisk = AsyncDisposable & {
  /** An empty folder of everyone's. */
  readonly path: string;
  /** Takes all the room that is left. */
  fill(): Promise<void>;
  /** Gives back what `fill` took. */
  makeRoom(): Promise<void>;
};

/** A file system of its own in memory that really runs full. Only root may mount it. */
export async function mountSmallDisk({ mebibytes }: { readonly mebibytes: number }) {
  const path = await mkdtemp(join(tmpdir(), 'tidegate-disk-'));
  const ballast = join(path, 'ballast');
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m,mode=0777`, 'tmpfs', path]);
  } catch (error) {
    await rm(path, { recursive: true });
    throw new Error('a disk that runs full must be mounted: run as root', { cause: error });
  }
  return {
    path,
    fill: async () => {
      await using handle = await open(ballast, 'a');
      for (const size of PIECES) await writeUntilFull(handle, Buffer.alloc(size, 1));
    },
    makeRoom: () => rm(ballast),
    [Symbol.asyncDispose]: async () => {
      await run('umount', ['--lazy', path]);
      await rm(path, { recursive: true });
    },
  } satisfies SmallDisk;
}

async function writeUntilFull(
  handle: { write(buffer: Buffer): Promise<unknown> },
  piece: Buffer,
): Promise<void> {
  for (;;) {
    try {
      await handle.write(piece);
    } catch (error) {
      if (typeof error === 'object' && error !== null && 'code' in error && error.code === 'ENOSPC')
        return;
      throw error;
    }
  }
}
