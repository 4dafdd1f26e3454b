import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { stat, utimes, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { ROOT } from './bundle.ts';
import { PackageError } from './errors.ts';
import type { HostNode } from './host-node.ts';
import { runTool } from './tool.ts';

const NAME = 'tidegate-agent';
const PARTS = join(ROOT, 'packaging');
const DOCS = ['agent.md', 'slots.md', 'packaging.md'];
const SCRIPTS = ['postinst', 'prerm', 'postrm'];
const CONFIG = 'etc/tidegate/agent.toml';
/** What a release on trial waits for; a host that says otherwise has a file of this name in /etc. */
const GATE = 'usr/lib/tidegate/agent.toml.d/10-boot-complete.toml';

/** Whether the deadline boots a host again. */
const ON_TRIAL = 'usr/lib/tidegate/is-on-trial';

export type DebContent = {
  /** The single file for hosts of this kind. */
  readonly program: string;
  readonly node: HostNode;
  readonly notices: string;
  readonly version: string;
  /** The time of every file, in seconds since the epoch. */
  readonly epoch: number;
};

/** Writes the Debian package into a folder and returns its path. The same content is the same package, byte for byte. */
export async function writeDeb(folder: string, content: DebContent): Promise<string> {
  const { version, node, epoch } = content;
  const work = await mkdtemp(join(folder, '.deb-'));
  try {
    const tree = join(work, 'tree');
    await layOut(tree, content);
    await setTimes(tree, epoch);
    const file = `${NAME}_${version}_${node.debianArch}.deb`;
    await runTool(
      [
        ...(['dpkg-deb', '--root-owner-group', '-Zzstd', '-z3', '--threads-max=1'] as const),
        ...['--build', 'tree', file],
      ],
      { cwd: work, env: { SOURCE_DATE_EPOCH: String(epoch) } },
    );
    await rename(join(work, file), join(folder, file));
    return join(folder, file);
  } finally {
    await rm(work, { recursive: true });
  }
}

async function layOut(tree: string, content: DebContent): Promise<void> {
  const { program, node, notices } = content;
  const add = (path: string, mode: number, from: { readonly text: string } | { file: string }) =>
    addFile(join(tree, path), mode, from);
  await add('usr/bin/tidegate', 0o755, { file: program });
  for (const unit of await filesBelow(join(PARTS, 'systemd'))) {
    const file = join(PARTS, 'systemd', unit);
    await add(join('usr/lib/systemd/system', unit), 0o644, { file });
  }
  const template = await readFile(join(PARTS, 'debian/agent.toml'), 'utf8');
  await add(CONFIG, 0o644, { text: template.replace('@ARCH@', node.arch) });
  await add(GATE, 0o644, { file: join(PARTS, 'debian', basename(GATE)) });
  await add(ON_TRIAL, 0o755, { file: join(PARTS, 'debian', basename(ON_TRIAL)) });
  const docs = join('usr/share/doc', NAME);
  await add(join(docs, 'copyright'), 0o644, { text: notices });
  for (const doc of DOCS) await add(join(docs, doc), 0o644, { file: join(ROOT, 'docs', doc) });
  for (const script of SCRIPTS) {
    await add(join('DEBIAN', script), 0o755, { file: join(PARTS, 'debian', script) });
  }
  await add('DEBIAN/conffiles', 0o644, { text: `/${CONFIG}\n` });
  await add('DEBIAN/control', 0o644, { text: controlOf(content, await sizeOf(tree)) });
}

function controlOf({ version, node }: DebContent, byteCount: number): string {
  return `Package: ${NAME}
Version: ${version}
Architecture: ${node.debianArch}
Maintainer: Tidegate
Installed-Size: ${Math.ceil(byteCount / 1024)}
Depends: libc6 (>= 2.28), libgcc-s1, libstdc++6 (>= 8), init-system-helpers (>= 1.54)
Section: admin
Priority: optional
Description: update agent for image-based hosts
 Asks a Tidegate server for orders, verifies signed releases, writes them to
 the inactive slot, boots into them and goes back if the host is not well.
`;
}

async function addFile(
  path: string,
  mode: number,
  from: { readonly text: string } | { readonly file: string },
): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  if ('text' in from) await writeFile(path, from.text);
  else await copyFile(from.file, path);
  await chmod(path, mode);
}

async function filesBelow(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .toSorted();
}

async function sizeOf(tree: string): Promise<number> {
  const files = await filesBelow(tree);
  const sizes = files
    .filter((file) => !file.startsWith('DEBIAN/'))
    .map((file) => stat(join(tree, file)));
  return (await Promise.all(sizes)).reduce((sum, { size }) => sum + size, 0);
}

/** Times, and the modes of folders, whatever umask the machine has. */
async function setTimes(tree: string, epoch: number): Promise<void> {
  const entries = await readdir(tree, { recursive: true, withFileTypes: true });
  const all = [tree, ...entries.map((entry) => join(entry.parentPath, entry.name))];
  const folders = new Set([
    tree,
    ...entries
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name)),
  ]);
  for (const path of all) {
    if (folders.has(path)) await chmod(path, 0o755);
    await utimes(path, epoch, epoch);
  }
}

/**
 * The time that the files of the package shall have: `SOURCE_DATE_EPOCH`, or else that of the commit that is packaged. Throws
 * `package/date` where there is neither.
 */
export async function sourceEpoch(given: string | undefined): Promise<number> {
  const text = given ?? (await lastCommit());
  if (/^\d{1,11}$/.test(text)) return Number(text);
  throw new PackageError(
    'package/date',
    `SOURCE_DATE_EPOCH must be seconds since 1970, got '${text}'`,
  );
}

async function lastCommit(): Promise<string> {
  try {
    return (await runTool(['git', 'log', '-1', '--format=%ct'], { cwd: ROOT })).trim();
  } catch (cause) {
    throw new PackageError('package/date', 'outside of git, SOURCE_DATE_EPOCH must be set', {
      cause,
    });
  }
}
