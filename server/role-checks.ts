import type { RepositoryState } from '../adapters/repository/repository.ts';
import { isOver } from '../core/rollout.ts';
import type { ReleaseRef, Rollout } from '../core/rollout.ts';
import { TufError } from '../core/tuf/errors.ts';
import type { SignedMetadata, TargetsMetadata } from '../core/tuf/metadata.ts';
import { matchesPath, platformOfRole, releasesRole, versionOfDocument } from '../core/tuf/names.ts';
import { trustIn } from '../core/tuf/repository-metadata.ts';
import { verifyFresh, verifySignatures } from '../core/tuf/verify.ts';
import { CommitError } from './errors.ts';

/** Throws CommitError unless hosts would believe the file as this role's: its keys, its time, its names. */
export function requireTrusted(
  state: RepositoryState,
  role: string,
  { file, now }: { readonly file: SignedMetadata<TargetsMetadata>; readonly now: Date },
): void {
  const trust = trustIn(state, role);
  const delegation = state.targets.delegations?.roles.find(({ name }) => name === role);
  if (trust === null || delegation === undefined) {
    throw new CommitError('commit/role', `no role ${role} is delegated`);
  }
  try {
    verifySignatures(`the file of role ${role}`, file, trust);
    verifyFresh(`the file of role ${role}`, file.signed, now);
  } catch (cause) {
    if (!(cause instanceof TufError)) throw cause;
    throw new CommitError('commit/file', cause.message, { cause });
  }
  // One key may hold several roles, and a file does not say whose it is: only its names tell.
  const stray = Object.keys(file.signed.targets).find(
    (name) => !delegation.paths.some((path) => matchesPath(path, name)),
  );
  if (stray !== undefined) {
    throw new CommitError(
      'commit/file',
      `role ${role} may list ${delegation.paths.join(', ')}, got ${stray}`,
    );
  }
}

/** Throws `commit/exists` if a published name gets other bytes. Release documents may be amended; images never change. */
export function requireSamePublished(
  state: RepositoryState,
  role: string,
  after: TargetsMetadata,
): void {
  const platform = platformOfRole(role);
  const before = state.delegated.get(role)?.targets ?? {};
  for (const [name, { hashes }] of Object.entries(after.targets)) {
    const present = Object.hasOwn(before, name) ? before[name] : undefined;
    if (present === undefined || present.hashes.sha256 === hashes.sha256) continue;
    if (platform !== null && versionOfDocument(platform, name) !== null) continue;
    throw new CommitError('commit/exists', `target ${name} is published with other bytes`, {
      hints: ['publish new bytes under a new version'],
    });
  }
}

/** Throws `commit/in-use` if a published release, or a part of it, vanishes that a rollout gives or may give again. */
export function requireKept(
  state: RepositoryState,
  {
    role,
    after,
    rollouts,
  }: {
    readonly role: string;
    readonly after: TargetsMetadata;
    readonly rollouts: readonly Rollout[];
  },
): void {
  const before = state.delegated.get(role)?.targets ?? {};
  for (const rollout of rollouts) {
    const release = givenRelease(rollout);
    if (release === null || releasesRole(release) !== role) continue;
    const lost = [release.document, ...Object.values(release.images)].find(
      (name) => Object.hasOwn(before, name) && !Object.hasOwn(after.targets, name),
    );
    if (lost === undefined) continue;
    throw new CommitError(
      'commit/in-use',
      `rollout ${rollout.id} (${rollout.state}) gives release ${release.version} to hosts, so ${lost} must stay listed`,
      { hints: ['withdraw the rollout first'] },
    );
  }
}

function givenRelease(rollout: Rollout): ReleaseRef | null {
  return rollout.sentBackTo ?? (isOver(rollout) ? null : rollout.release);
}
