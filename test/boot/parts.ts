import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdir, readdir, readFile, realpath, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const CI = join(import.meta.dirname, '..', '..', '.ci');
const PATH = `${process.env['PATH']}:/usr/sbin:/sbin`;

/** The folder of a small Debian with systemd. */
export async function debianRoot(): Promise<string> {
  return (await tool(join(CI, 'debian-root'))).trim();
}

/** Runs a program of the machine; throws with what it said unless it exits with 0. */
export async function tool(program: string, ...parameters: readonly string[]): Promise<string> {
  const env = { ...process.env, PATH, LC_ALL: 'C' };
  const { stdout } = await promisify(execFile)(program, parameters, { env });
  return stdout;
}

/** The folder with `vmlinuz`, `busybox` and `modules` for the virtual machine. */
export async function bootParts(): Promise<string> {
  return (await tool(join(CI, 'boot-parts'))).trim();
}

/** Copies a program of this machine, and the libraries that it needs, below `tree`. */
export async function addProgram(tree: string, from: string, to: string): Promise<void> {
  await addFile(tree, from, to);
  const libraries = await tool('ldd', from).catch(() => '');
  for (const [path] of libraries.matchAll(/\/\S+(?= \()/g)) {
    await addFile(tree, await realpath(path), path);
  }
}

/** Copies an executable file below `tree`. */
export async function addFile(tree: string, from: string, to: string): Promise<void> {
  const path = join(tree, to);
  await mkdir(dirname(path), { recursive: true });
  await copyFile(from, path);
  await chmod(path, 0o755);
}

/** Puts busybox and the names of all that it can do into `bin` below `tree`. */
export async function addBusybox(tree: string, parts: string): Promise<void> {
  const busybox = join(parts, 'busybox');
  await addFile(tree, busybox, 'bin/busybox');
  const names = (await tool(busybox, '--list')).trim().split('\n');
  for (const name of names.filter((each) => each !== 'busybox')) {
    await symlink('busybox', join(tree, 'bin', name));
  }
}

/** Kernel modules and those that they depend on, by their names, each after what it depends on; paths of their files. */
export async function modulesInOrder(
  parts: string,
  wanted: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const files = await readdir(join(parts, 'modules'), { recursive: true });
  const known = new Map(
    files
      .filter((file) => file.endsWith('.ko'))
      .map((file) => [nameOf(file), join(parts, 'modules', file)] as const),
  );
  const ordered = new Map<string, string>();
  const add = async (name: string): Promise<void> => {
    const path = known.get(name);
    // What is no file is a part of the kernel itself.
    if (path === undefined || ordered.has(name)) return;
    const text = (await readFile(path)).toString('latin1');
    const [, list = ''] = /\0depends=([^\0]*)\0/.exec(text) ?? [];
    for (const other of list.split(',')) await add(other.replaceAll('-', '_'));
    ordered.set(name, path);
  };
  for (const name of wanted) await add(name);
  return ordered;
}

function nameOf(file: string): string {
  return (file.split('/').at(-1) ?? '').replace(/\.ko$/, '').replaceAll('-', '_');
}
