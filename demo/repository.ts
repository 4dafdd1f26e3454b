import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { PLATFORM } from './hosts.ts';
import type { Processes } from './processes.ts';

const MIB = 1 << 20;

/** Keys of the demo's own, and a repository with two releases, by the same commands that a person types. */
export async function makeRepository(processes: Processes, folder: string): Promise<void> {
  for (const name of ['root1', 'root2', 'targets', 'online', 'release']) {
    await processes.must('key', 'new', '--type', 'ed25519', '--out', `keys/${name}.pem`);
  }
  const { variant, arch } = PLATFORM;
  await processes.must(
    ...['repo', 'init', 'file:repo', '--root-threshold', '2'],
    ...['--root-key', 'file:keys/root1.pem', '--root-key', 'file:keys/root2.pem'],
    ...['--targets-key', 'file:keys/targets.pem', '--online-key', 'file:keys/online.pem'],
    ...['--release-key', `${variant}:${arch}=file:keys/release.pem`],
  );
  await publish(processes, folder, '1.0.0', []);
  await publish(processes, folder, '1.1.0', ['--rollback-to', '1.0.0']);
}

async function publish(
  processes: Processes,
  folder: string,
  version: string,
  more: readonly string[],
): Promise<void> {
  await writeFile(join(folder, `boot-${version}.img`), imageBytes(`boot ${version}`, MIB));
  const root = zstdCompressSync(imageBytes(`root ${version}`, 3 * MIB));
  await writeFile(join(folder, `root-${version}.img.zst`), root);
  await writeFile(join(folder, `hash-${version}.img`), imageBytes(`hash ${version}`, MIB / 4));
  await processes.must(
    ...['publish', 'file:repo', '--variant', PLATFORM.variant, '--arch', PLATFORM.arch],
    ...['--version', version, '--image', `boot=boot-${version}.img`],
    ...['--image', `root=root-${version}.img.zst`, '--image', `hash=hash-${version}.img`],
    ...['--release-key', 'file:keys/release.pem', '--online-key', 'file:keys/online.pem', ...more],
  );
}

/** Bytes that no compression shortens, the same for the same label. */
function imageBytes(label: string, length: number): Buffer {
  const blocks = Array.from({ length: length / 32 }, (_, index) =>
    createHash('sha256').update(`${label} ${index}`).digest(),
  );
  return Buffer.concat(blocks);
}
