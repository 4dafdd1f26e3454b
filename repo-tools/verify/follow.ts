import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Fetcher, Updater } from 'tuf-js';
import { DownloadHTTPError } from 'tuf-js/dist/error.js';
import type { TrustedMetadataStore } from 'tuf-js/dist/store.js';
import { RepositoryError } from '../../adapters/repository/errors.ts';
import { readObject } from '../../adapters/repository/objects.ts';
import { StorageError } from '../../adapters/storage/storage.ts';
import type { Storage } from '../../adapters/storage/storage.ts';
import { openUpdater } from '../../adapters/tuf-js/updater.ts';
import type { Delegation } from '../../core/tuf/lint/facts.ts';
import type { RawFile } from '../../core/tuf/lint/raw.ts';
import { errorIn, warningIn } from './finding.ts';
import type { Finding, FindingKind } from './finding.ts';

export type FollowOptions = {
  readonly storage: Storage;
  readonly now: Date;
  /** What the first root's hosts are to reach below the top-level targets. */
  readonly delegations: readonly Delegation[];
};

type Failure = { readonly kind: FindingKind; readonly what: string };

const BASE_URL = 'http://repository.invalid/metadata/';

/**
 * What keeps a host that trusts one of these roots, and has seen nothing else, from updating by tuf-js. What is the same for
 * many roots is one finding.
 */
export async function followFromEach(
  roots: readonly RawFile[],
  { storage, now, delegations }: FollowOptions,
): Promise<readonly Finding[]> {
  const failures: (Failure & { readonly root: string; readonly index: number })[] = [];
  const below: Finding[] = [];
  for (const [index, root] of roots.entries()) {
    const wanted = index === 0 ? delegations : [];
    const { failure, findings } = await followFrom(root, { storage, now, delegations: wanted });
    if (failure !== null) failures.push({ ...failure, root: root.name, index });
    below.push(...findings);
  }
  const groups = Map.groupBy(failures, ({ kind, what }) => `${kind} ${what}`);
  const stuck = [...groups.values()].flatMap((group) => {
    const [first] = group;
    const last = group.at(-1);
    if (first === undefined || last === undefined) return [];
    const { kind, what, root } = first;
    const isRow = last.index - first.index === group.length - 1;
    const others = isRow ? ` to ${last.root}` : ` and ${group.length - 1} more`;
    const where = group.length === 1 ? root : root + others;
    return [errorIn(kind, where, `a host that trusts it cannot update: ${what}`)];
  });
  return [...stuck, ...below];
}

async function followFrom(root: RawFile, { storage, now, delegations }: FollowOptions) {
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-verify-'));
  const fetcher = new StorageFetcher(storage);
  const failureOf = (error: unknown): Failure => {
    if (fetcher.lastFailure !== null) return fetcher.lastFailure;
    const reason = error instanceof Error ? error.message : String(error);
    return { kind: kindOf(reason), what: reason };
  };
  try {
    await writeFile(join(folder, 'root.json'), root.bytes ?? '');
    const { updater, trusted } = openUpdater({ folder, metadataUrl: BASE_URL, fetcher, now });
    await updater.refresh();
    const findings: Finding[] = [];
    for (const delegation of delegations) {
      try {
        findings.push(...(await reach(delegation, updater, trusted)));
      } catch (error) {
        const { kind, what } = failureOf(error);
        findings.push(errorIn(kind, delegation.name, `hosts cannot read this role: ${what}`));
      }
    }
    return { failure: null, findings };
  } catch (error) {
    return { failure: failureOf(error), findings: [] };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function reach(
  { name, paths }: Delegation,
  updater: Updater,
  trusted: TrustedMetadataStore,
): Promise<readonly Finding[]> {
  const [pattern] = paths ?? [];
  if (pattern === undefined) return [];
  // tuf-js fetches a role when it looks for a target that the role may have; the target need not be there.
  await updater.getTargetInfo(pattern.replaceAll('*', 'any').replaceAll('?', 'a'));
  if (trusted.getRole(name) !== undefined) return [];
  const what = 'no host asks for this role: another one is asked first for its names';
  return [warningIn('profile', name, what)];
}

/** tuf-js keeps the text only of errors below the timestamp. */
function kindOf(reason: string): FindingKind {
  if (/expired/i.test(reason)) return 'expired';
  return /version/i.test(reason) ? 'version' : 'metadata';
}

/** Lets tuf-js read from a storage, into memory; what is not there is an HTTP 404 to it. */
class StorageFetcher implements Fetcher {
  lastFailure: Failure | null = null;
  readonly #storage: Storage;

  constructor(storage: Storage) {
    this.#storage = storage;
  }

  async downloadBytes(url: string, maxLength: number): Promise<Buffer> {
    const file = url.slice(BASE_URL.length);
    this.lastFailure = null;
    try {
      const { bytes } = await readObject(this.#storage, `metadata/${file}`, maxLength);
      return Buffer.from(bytes);
    } catch (error) {
      if (error instanceof StorageError && error.code === 'storage/not-there') {
        // The end of the chain of roots is no failure.
        if (!file.endsWith('.root.json')) {
          this.lastFailure = { kind: 'missing-metadata', what: `${file} is not there` };
        }
        throw new DownloadHTTPError(`${file} is not there`, 404);
      }
      if (error instanceof StorageError) {
        this.lastFailure = { kind: 'transport', what: error.message };
      } else if (error instanceof RepositoryError) {
        this.lastFailure = { kind: 'metadata', what: error.message };
      }
      throw error;
    }
  }

  /** Targets do not go this way. */
  downloadFile(): Promise<never> {
    return Promise.reject(new Error('targets are not downloaded by tuf-js'));
  }
}
