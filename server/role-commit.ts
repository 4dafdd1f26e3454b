import { RepositoryError } from '../adapters/repository/errors.ts';
import { findObject, metadataObject } from '../adapters/repository/objects.ts';
import type { Repository, RepositoryState } from '../adapters/repository/repository.ts';
import type { Signer } from '../adapters/signing/signer.ts';
import { ExpectedError } from '../core/errors.ts';
import type { CommitRequest } from '../core/operator-api.ts';
import type { Rollout } from '../core/rollout.ts';
import { TufError } from '../core/tuf/errors.ts';
import { MAX_LENGTHS, parseTargets } from '../core/tuf/metadata.ts';
import type { SignedMetadata, TargetsMetadata } from '../core/tuf/metadata.ts';
import { platformOfRole } from '../core/tuf/names.ts';
import { contentOf } from '../core/tuf/verify.ts';
import { CommitError } from './errors.ts';
import { requireReadableReleases } from './release-checks.ts';
import { requireKept, requireSamePublished, requireTrusted } from './role-checks.ts';

export type RoleCommitOptions = {
  readonly repository: Repository;
  /** Keys of snapshot and timestamp. */
  readonly signers: readonly Signer[];
  /** Those in force at the moment. */
  readonly rollouts: () => readonly Rollout[];
  readonly now: Date;
};

export type RoleCommitted = {
  readonly state: RepositoryState;
  /** False if the file was published before. */
  readonly changed: boolean;
};

type RoleFile = SignedMetadata<TargetsMetadata>;

/**
 * Publishes a file of a releases role as it is, if every host will believe it and nothing that a rollout gives vanishes.
 * The online keys vouch for nothing in it: hosts check the release key's signature themselves.
 */
export async function commitRole(
  request: CommitRequest,
  { repository, signers, rollouts, now }: RoleCommitOptions,
): Promise<RoleCommitted> {
  const { role } = request;
  if (platformOfRole(role) === null) {
    throw new CommitError(
      'commit/role',
      `only files of roles releases-<variant>-<arch> are committed here, got ${JSON.stringify(role)}`,
    );
  }
  let file: RoleFile | null = null;
  let changed = true;
  try {
    const state = await repository.commit({
      signers,
      edit: async (before) => {
        changed = !isPublished(before, request);
        if (!changed) return { roles: new Map() };
        requireOnTop(before, request);
        file ??= await readRoleFile(repository, request);
        requireTrusted(before, role, { file, now });
        requireSamePublished(before, role, file.signed);
        await requireReadableReleases(repository.storage, before, { role, after: file.signed });
        requireKept(before, { role, after: file.signed, rollouts: rollouts() });
        return { roles: new Map(), adopted: new Map([[role, file]]) };
      },
    });
    return { state, changed };
  } catch (error) {
    if (error instanceof RepositoryError && error.code === 'repository/target') {
      throw new CommitError('commit/target', error.message, { cause: error });
    }
    throw error;
  }
}

/** Whether the request was at fault, and not the repository. */
export function isRefusal(error: unknown): boolean {
  return (
    error instanceof CommitError ||
    (error instanceof RepositoryError && error.code === 'repository/moved-on') ||
    (error instanceof TufError && error.code === 'tuf/profile')
  );
}

function isPublished({ snapshot }: RepositoryState, request: CommitRequest): boolean {
  const meta = snapshot.meta[`${request.role}.json`];
  return meta?.version === request.version && meta.hashes.sha256 === request.sha256;
}

/** Of two publishers that began on the same version, the second would undo what the first published. */
function requireOnTop(
  { snapshot }: RepositoryState,
  { role, version, after }: CommitRequest,
): void {
  const published = snapshot.meta[`${role}.json`]?.version ?? 0;
  if (published === after && version > after) return;
  throw new RepositoryError(
    'repository/moved-on',
    `role ${role} has version ${published} by now, so version ${version}, made after ${after}, comes too late`,
    { hints: ['make the change again on top of what is published'] },
  );
}

async function readRoleFile(
  { storage }: Repository,
  { role, version, sha256 }: CommitRequest,
): Promise<RoleFile> {
  const name = metadataObject(role, version);
  const bytes = await findBytes(storage, name);
  const got = contentOf(bytes).hashes.sha256;
  if (got !== sha256) {
    throw new CommitError('commit/file', `${name} must have the SHA-256 ${sha256}, got ${got}`);
  }
  try {
    const read = parseTargets(bytes, name);
    if (read.signed.version !== version) {
      throw new CommitError('commit/file', `${name} has version ${read.signed.version} inside`);
    }
    return { ...read, bytes };
  } catch (cause) {
    if (!(cause instanceof ExpectedError)) throw cause;
    throw new CommitError('commit/file', cause.message, { cause });
  }
}

async function findBytes(storage: Repository['storage'], name: string): Promise<Uint8Array> {
  let found;
  try {
    found = await findObject(storage, name, MAX_LENGTHS.targets);
  } catch (cause) {
    if (!(cause instanceof RepositoryError)) throw cause;
    throw new CommitError('commit/file', cause.message, { cause });
  }
  if (found !== null) return found.bytes;
  throw new CommitError('commit/not-there', `there is no ${name} in the storage of this server`, {
    hints: ['does the publisher work on the same storage as the server?'],
  });
}
