import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errnoOf } from '../adapters/storage/file-errors.ts';
import { AgentError } from './errors.ts';

/** Where the configuration is: one file with the folder of drop-ins beside it, or the places of the system under a root. */
export type ConfigPlace =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'standard'; readonly root: string };

export type ConfigFile = {
  readonly path: string;
  /** Relative paths in the file start here: where the main file is, or would be. */
  readonly folder: string;
  readonly text: string;
};

export type ConfigFiles = {
  /** In the order in which they are read: what a later one says counts. */
  readonly files: readonly ConfigFile[];
  /** What lies among the drop-ins and is none. */
  readonly ignored: readonly string[];
};

/** Of the same name, the file in the later folder counts alone. */
const STANDARD_FOLDERS = ['usr/lib/tidegate', 'etc/tidegate', 'run/tidegate'];
const MAIN_FILE = 'agent.toml';
const MASK = '/dev/null';

/**
 * Finds and reads all files of the configuration: the main file, then the drop-ins of all folders by name. A file that is
 * empty, or a link to /dev/null, says nothing and so masks the one of its name before it. Throws `agent/config`.
 */
export async function readConfigFiles(place: ConfigPlace): Promise<ConfigFiles> {
  const mains =
    place.kind === 'file'
      ? [place.path]
      : STANDARD_FOLDERS.map((folder) => join(place.root, folder, MAIN_FILE));
  const main = place.kind === 'file' ? place.path : await lastThatIsThere(mains);
  const byName = new Map<string, string>();
  const ignored: string[] = [];
  for (const folder of mains.map((path) => `${path}.d`)) {
    for (const name of await namesIn(folder)) {
      const path = join(folder, name);
      if (name.endsWith('.toml') && (await isReadable(path))) byName.set(name, path);
      else ignored.push(path);
    }
  }
  const dropIns = [...byName].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, path]) => path);
  if (main === null && dropIns.length === 0) {
    throw new AgentError('agent/config', `there is no configuration: none of ${mains.join(', ')}`, {
      hints: ['name one with --config FILE'],
    });
  }
  const files = [
    ...(main === null ? [] : [await readOne(main, dirname(main))]),
    ...(await Promise.all(dropIns.map((path) => readOne(path, dirname(dirname(path)))))),
  ];
  return { files, ignored };
}

async function readOne(path: string, folder: string): Promise<ConfigFile> {
  try {
    return { path, folder, text: await readFile(path, 'utf8') };
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

async function lastThatIsThere(paths: readonly string[]): Promise<string | null> {
  for (const path of paths.toReversed()) {
    try {
      await stat(path);
      return path;
    } catch (cause) {
      if (errnoOf(cause) !== 'ENOENT') throw unreadable(path, cause);
    }
  }
  return null;
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).toSorted();
  } catch (cause) {
    if (errnoOf(cause) === 'ENOENT') return [];
    throw unreadable(folder, cause);
  }
}

/** A pipe would be waited for and a folder is no file; a link into nothing is somebody's mistake that is told. */
async function isReadable(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile() || (await realpath(path)) === MASK;
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

function unreadable(path: string, cause: unknown): AgentError {
  return new AgentError('agent/config', `cannot read ${path}: ${errnoOf(cause) ?? 'unknown'}`, {
    cause,
  });
}
