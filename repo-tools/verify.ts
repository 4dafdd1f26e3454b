import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BaseFetcher, Updater } from 'tuf-js';
import { DownloadHTTPError } from 'tuf-js/dist/error.js';
import { TrustedMetadataStore } from 'tuf-js/dist/store.js';
import { metadataObject, readObject, targetObject } from '../adapters/repository/objects.ts';
import { StorageError } from '../adapters/storage/storage.ts';
import type { Storage } from '../adapters/storage/storage.ts';
import { ExpectedError } from '../core/errors.ts';
import { MAX_LENGTHS, parseTargets } from '../core/tuf/metadata.ts';
import type { TargetsMetadata } from '../core/tuf/metadata.ts';
import type { ProgressListener } from './upload-images.ts';

/** A client that trusts the first root cannot follow the repository to what is published now. */
export class VerifyError extends ExpectedError<'verify/metadata'> {}

export type VerifiedRole = {
  readonly role: string;
  readonly version: number;
  readonly expires: string;
  readonly targets: number;
};

export type VerifyReport = {
  readonly roles: readonly VerifiedRole[];
  readonly targets: number;
  readonly bytes: number;
  /** Listed targets that a host could not get as they are listed, with the reason. */
  readonly failures: readonly { readonly target: string; readonly reason: string }[];
};

export type VerifyOptions = { readonly now: Date; readonly listener: ProgressListener };

const BASE_URL = 'http://repository.invalid/';

/**
 * Reads the repository from outside, as a host does: tuf-js follows it from root 1, and every listed target is fetched
 * whole and compared with its length and hash. Throws VerifyError, or StorageError if the storage does not answer.
 */
export async function verifyRepository(
  storage: Storage,
  { now, listener }: VerifyOptions,
): Promise<VerifyReport> {
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-verify-'));
  try {
    return await verifyIn(folder, storage, { now, listener });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function verifyIn(
  folder: string,
  storage: Storage,
  { now, listener }: VerifyOptions,
): Promise<VerifyReport> {
  const root = await readObject(storage, metadataObject('root', 1), MAX_LENGTHS.root);
  await writeFile(join(folder, 'root.json'), root.bytes);
  const roles = await followMetadata(folder, storage, now);
  const files = roles.flatMap(({ metadata }) => Object.entries(metadata.targets));
  const bytes = files.reduce((sum, [, { length }]) => sum + length, 0);
  const progress = listener.begin(`verify ${files.length} targets`, bytes);
  const failures = [];
  try {
    for (const [target, file] of files) {
      const reason = await reasonAgainst(storage, target, file, (count) => {
        progress.advance(count);
      });
      if (reason !== null) failures.push({ target, reason });
    }
  } finally {
    progress.end();
  }
  return {
    roles: roles.map(({ role, metadata }) => ({
      role,
      version: metadata.version,
      expires: metadata.expires,
      targets: Object.keys(metadata.targets).length,
    })),
    targets: files.length,
    bytes,
    failures,
  };
}

type FollowedRole = { readonly role: string; readonly metadata: TargetsMetadata };

async function followMetadata(
  folder: string,
  storage: Storage,
  now: Date,
): Promise<readonly FollowedRole[]> {
  try {
    const updater = new Updater({
      metadataDir: folder,
      metadataBaseUrl: `${BASE_URL}metadata`,
      fetcher: new StorageFetcher(storage),
    });
    // tuf-js would read the system's clock by itself; TUF 5.1 wants one time for the whole refresh.
    const trusted: unknown = Reflect.get(updater, 'trustedSet');
    if (!(trusted instanceof TrustedMetadataStore)) throw new Error('tuf-js has no trustedSet');
    if (!Reflect.set(trusted, 'referenceTime', now)) throw new Error('tuf-js has no referenceTime');
    await updater.refresh();
    const read = async (role: string): Promise<FollowedRole> => {
      const metadata = parseTargets(await readFile(join(folder, `${role}.json`)), role).signed;
      return { role, metadata };
    };
    const top = await read('targets');
    const roles = [top];
    for (const { name, paths } of top.metadata.delegations?.roles ?? []) {
      // tuf-js fetches a role when it looks for a target that the role may have; the target need not be there.
      await updater.getTargetInfo((paths[0] ?? name).replace('*', 'any'));
      roles.push(await read(name));
    }
    return roles;
  } catch (cause) {
    if (cause instanceof StorageError) throw cause;
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new VerifyError('verify/metadata', `a host cannot follow ${storage.url}: ${message}`, {
      cause,
    });
  }
}

async function reasonAgainst(
  storage: Storage,
  target: string,
  { length, hashes }: TargetsMetadata['targets'][string],
  onBytes: (count: number) => void,
): Promise<string | null> {
  const hash = createHash('sha256');
  let size = 0;
  try {
    const { body } = await storage.get(targetObject(target, hashes.sha256));
    for await (const chunk of body) {
      size += chunk.length;
      if (size > length) break;
      hash.update(chunk);
      onBytes(chunk.length);
    }
  } catch (error) {
    if (error instanceof StorageError && error.code === 'storage/not-there') return 'is not there';
    throw error;
  }
  if (size !== length)
    return `must have ${length} bytes, got ${size}${size > length ? ' or more' : ''}`;
  const sha256 = hash.digest('hex');
  return sha256 === hashes.sha256 ? null : `must have SHA-256 ${hashes.sha256}, got ${sha256}`;
}

/** Lets tuf-js read from a storage; what is not there is an HTTP 404 to it. */
class StorageFetcher extends BaseFetcher {
  readonly #storage: Storage;

  constructor(storage: Storage) {
    super();
    this.#storage = storage;
  }

  override async fetch(url: string): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    try {
      const { body } = await this.#storage.get(url.slice(BASE_URL.length));
      return ReadableStream.from(owned(body));
    } catch (error) {
      if (error instanceof StorageError && error.code === 'storage/not-there') {
        throw new DownloadHTTPError(`${url} is not there`, 404);
      }
      throw error;
    }
  }
}

/** tuf-js asks for chunks that own their memory. */
async function* owned(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for await (const chunk of body) yield new Uint8Array(chunk);
}
