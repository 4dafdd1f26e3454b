import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { addBusybox, addFile, addProgram, modulesInOrder, tool } from './parts.ts';

const GUEST = join(import.meta.dirname, 'guest');
const MODULES = ['virtio_pci', 'virtio_blk', 'virtio_net', 'crc32c_generic', 'ext4', 'squashfs'];

/** The first file system of the virtual machine, in which a slot is chosen. */
export async function writeLoader(path: string, parts: string): Promise<void> {
  const tree = `${path}.tree`;
  await addFile(tree, join(GUEST, 'loader-init'), 'init');
  await addBusybox(tree, parts);
  await addProgram(tree, (await tool('which', 'sgdisk')).trim(), 'sbin/sgdisk');
  const modules = await modulesInOrder(parts, MODULES);
  for (const [name, file] of modules) await addFile(tree, file, `modules/${name}.ko`);
  await writeFile(join(tree, 'modules', 'order'), [...modules.keys()].join('\n'));
  const pack = `cd "$1" && find . | "$2" cpio -o -H newc > "$3"`;
  await tool('sh', '-c', pack, 'sh', tree, join(parts, 'busybox'), path);
  await rm(tree, { recursive: true });
}

/** The root file system of a release that does not boot: there is nothing in it. */
export async function writeEmptyRoot(path: string): Promise<void> {
  await mkdir(`${path}.tree`);
  await squash(`${path}.tree`, path);
}

/** Makes a file system of a tree, which goes. */
export async function squash(tree: string, path: string): Promise<void> {
  const quiet = ['-noappend', '-quiet', '-no-progress', '-all-root'];
  await tool('mksquashfs', tree, path, ...quiet, '-comp', 'zstd', '-Xcompression-level', '3');
  await rm(tree, { recursive: true });
}

/** The images of a release with this root file system; all but the words in them is the same for every version. */
export async function writeImages(
  folder: string,
  { version, root, health }: { version: string; root: string; health: 'well' | 'sick' },
): Promise<Readonly<Record<'boot' | 'root' | 'hash', string>>> {
  const named = (image: string) => join(folder, `${image}-${version}.img`);
  const words = Buffer.alloc(4096);
  words.write(`release ${version} ${health}\n`);
  await writeFile(named('boot'), words);
  await writeFile(named('hash'), words);
  // What lies behind a file system does not disturb it, and makes each release another one.
  await writeFile(named('root'), Buffer.concat([await readFile(root), words]));
  return { boot: named('boot'), root: named('root'), hash: named('hash') };
}
