import { delegatedRolesOf } from '../../core/tuf/lint/facts.ts';
import { MAX_ROOT_ROTATIONS } from '../../core/tuf/lint/file-checks.ts';
import { objectOf, own, rawFile } from '../../core/tuf/lint/raw.ts';
import type { RawFile, RawRepository } from '../../core/tuf/lint/raw.ts';
import { isObjectName } from '../storage/names.ts';
import type { Storage } from '../storage/storage.ts';
import { RepositoryError } from './errors.ts';
import { findObject, isStorageError } from './objects.ts';

export type ReadRawOptions = {
  /** Bytes of the root to begin with; null begins with the first root of the storage. */
  readonly root: Uint8Array | null;
};

/** A hostile repository may not take all memory; a file that is merely too large for some client is still read. */
const MAX_FILE_BYTES = 64 * 1024 * 1024;
const MAX_ROLES = 1024;

/**
 * The metadata of a repository, whatever is wrong with it: of ours below `metadata/`, of others also at the top of the
 * storage, and without version numbers where there are no consistent snapshots. Throws `repository/not-there`, or
 * StorageError if the storage does not answer.
 */
export async function readRawRepository(
  storage: Storage,
  { root }: ReadRawOptions,
): Promise<RawRepository> {
  const folder = await metadataFolder(storage);
  const missing: string[] = [];
  const find = async (role: string, name: string): Promise<RawFile | null> => {
    const bytes = await bytesOf(storage, `${folder}${name}`);
    return bytes === null ? null : rawFile(role, name, bytes);
  };
  const roots = await readRoots(root, find);
  const isVersioned = objectOf(roots.at(-1)?.signed)['consistent_snapshot'] !== false;

  async function named(role: string, parent: RawFile | null): Promise<RawFile | null> {
    const meta = objectOf(own(objectOf(objectOf(parent?.signed)['meta']), `${role}.json`));
    const { version } = meta;
    if (typeof version !== 'number') return null;
    const name = isVersioned ? `${version}.${fileOf(role)}` : fileOf(role);
    const file = await find(role, name);
    if (file === null && isObjectName(name)) missing.push(name);
    return file;
  }

  const timestamp = await find('timestamp', 'timestamp.json');
  if (timestamp === null) missing.push('timestamp.json');
  const snapshot = await named('snapshot', timestamp);
  const targets = await named('targets', snapshot);
  const delegated = new Map<string, RawFile>();
  const waiting = rolesIn(targets);
  const seen = new Set(waiting);
  // A role that delegates to itself, or two that delegate to each other, end here like any other.
  for (let role = waiting.shift(); role !== undefined; role = waiting.shift()) {
    if (seen.size > MAX_ROLES) {
      throw new RepositoryError('repository/too-large', `more than ${MAX_ROLES} delegated roles`);
    }
    const file = await named(role, snapshot);
    if (file === null) continue;
    delegated.set(role, file);
    const below = rolesIn(file).filter((name) => !seen.has(name));
    below.forEach((name) => seen.add(name));
    waiting.push(...below);
  }
  return { roots, timestamp, snapshot, targets, delegated, missing };
}

async function metadataFolder(storage: Storage): Promise<string> {
  for (const folder of ['metadata/', '']) {
    for (const name of ['timestamp.json', '1.root.json']) {
      if ((await bytesOf(storage, folder + name)) !== null) return folder;
    }
  }
  throw new RepositoryError(
    'repository/not-there',
    `${storage.url} holds no repository: there is neither metadata/timestamp.json nor timestamp.json`,
  );
}

async function readRoots(
  trusted: Uint8Array | null,
  find: (role: string, name: string) => Promise<RawFile | null>,
): Promise<readonly RawFile[]> {
  const first = trusted === null ? await find('root', '1.root.json') : namedRoot(trusted);
  if (first === null) {
    throw new RepositoryError('repository/not-there', 'there is no 1.root.json to begin with', {
      hints: ['--root FILE names another root'],
    });
  }
  const roots = [first];
  for (let version = numberOf(first) + 1; roots.length <= MAX_ROOT_ROTATIONS + 1; version += 1) {
    const next = await find('root', `${version}.root.json`);
    if (next === null) return roots;
    roots.push(next);
  }
  return roots;
}

function namedRoot(bytes: Uint8Array): RawFile {
  const version = objectOf(rawFile('root', '', bytes).signed)['version'];
  return rawFile('root', typeof version === 'number' ? `${version}.root.json` : 'root.json', bytes);
}

function numberOf({ name }: RawFile): number {
  return Number.parseInt(name, 10) || 1;
}

function rolesIn(file: RawFile | null): string[] {
  const names = delegatedRolesOf(objectOf(file?.signed)).map(({ name }) => name);
  return [...new Set(names.filter((name) => typeof name === 'string'))];
}

/** Clients quote a role in a file name like a part of a URL. */
function fileOf(role: string): string {
  return `${encodeURIComponent(role)}.json`;
}

/** Null also for a name that no object of ours can have: whoever delegated it made it up. */
async function bytesOf(storage: Storage, name: string): Promise<Uint8Array | null> {
  try {
    return (await findObject(storage, name, MAX_FILE_BYTES))?.bytes ?? null;
  } catch (error) {
    if (isStorageError(error, 'storage/name')) return null;
    throw error;
  }
}
