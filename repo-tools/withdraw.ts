import { publishedReleases } from '../adapters/repository/repository.ts';
import type { Repository, RepositoryState } from '../adapters/repository/repository.ts';
import { readRollouts } from '../adapters/repository/rollouts.ts';
import { formatInstant } from '../core/instant.ts';
import { formatRelease } from '../core/release.ts';
import type { Release } from '../core/release.ts';
import { currentRollouts, isOver } from '../core/rollout.ts';
import type { Rollout } from '../core/rollout.ts';
import { releaseDocumentTarget, releasesRole } from '../core/tuf/names.ts';
import { findTarget } from '../core/tuf/repository-metadata.ts';
import { editRelease, ReleaseEditError } from './release-edit.ts';
import type { Edited, EditMode, ReleaseEdit } from './release-edit.ts';
import { readRelease } from '../adapters/repository/releases.ts';
import type { ReleaseName } from '../adapters/repository/releases.ts';

export type WithdrawOrder = ReleaseName & {
  readonly reason: string;
  readonly by: string;
  /** Withdraws even what other releases name as their way back. */
  readonly allowDanglingRollback: boolean;
};

export type Withdrawal = ReleaseEdit & {
  /** Image targets that are listed no more. */
  readonly removed: readonly string[];
  readonly effects: readonly string[];
};

/**
 * Takes the images of a release out of its role, so that no host can install it any more, for good. Its document stays, marked
 * as withdrawn: hosts that run the release find in it where they may go back to, and the version can never be published again
 * with other images under the same names. Throws ReleaseEditError while a rollout in force needs the images.
 */
export async function withdraw(
  order: WithdrawOrder,
  options: { readonly repository: Repository; readonly mode: EditMode; readonly now: Date },
): Promise<Edited<Withdrawal>> {
  const { repository, mode, now } = options;
  return editRelease(repository, mode, (state) => withdrawal(repository, state, { order, now }));
}

async function withdrawal(
  repository: Repository,
  state: RepositoryState,
  { order, now }: { readonly order: WithdrawOrder; readonly now: Date },
): Promise<Withdrawal> {
  const release = await readRelease(repository, state, order);
  if (release.withdrawn !== undefined) {
    return { edit: { roles: new Map() }, removed: [], effects: [], warnings: [] };
  }
  const current = currentRollouts(await readRollouts(repository, state), release);
  refuseInForce(release, current);
  const dependants = await thoseThatGoBackTo(repository, state, release);
  if (dependants.length > 0 && !order.allowDanglingRollback) {
    throw new ReleaseEditError(
      'release/way-back',
      `release ${release.version} is the way back of ${dependants.join(', ')}`,
      {
        hints: [
          `take it out of their terms with \`tidegate release amend --rollback-to\``,
          'or give --allow-dangling-rollback: their hosts can not be sent back to it then',
        ],
      },
    );
  }
  const target = releaseDocumentTarget(release);
  const before = findTarget(state, target)?.hashes.sha256 ?? '';
  const { reason, by } = order;
  const withdrawn = { at: formatInstant(now), by, reason, before };
  const removed = Object.values(release.images).map((image) => image.target);
  const replace = [{ name: target, bytes: formatRelease({ ...release, withdrawn }) }];
  return {
    edit: { roles: new Map([[releasesRole(release), { remove: removed, replace }]]) },
    removed,
    effects: effectsOf(release),
    warnings: dependants.map(
      (version) => `hosts that run ${version} can not be sent back to ${release.version} any more`,
    ),
  };
}

function refuseInForce({ version }: Release, current: readonly Rollout[]): void {
  const giving = current.find((rollout) => rollout.release.version === version && !isOver(rollout));
  if (giving !== undefined) {
    const { id, state } = giving;
    throw new ReleaseEditError(
      'release/in-use',
      `rollout ${id} gives release ${version}: it is ${state}`,
      {
        hints: [
          `first \`tidegate rollout withdraw ${id}\`, or \`tidegate rollout rollback ${id}\``,
        ],
      },
    );
  }
  const sending = current.find(({ sentBackTo }) => sentBackTo?.version === version);
  if (sending === undefined) return;
  throw new ReleaseEditError(
    'release/in-use',
    `rollout ${sending.id} sends hosts that run ${sending.release.version} back to release ${version}`,
    {
      hints: [
        `when none is left, end it: \`tidegate rollout start\` for ${sending.release.version} with a late --start-at, then \`tidegate rollout withdraw\``,
      ],
    },
  );
}

/** Withdrawn releases count: hosts may run them still. */
async function thoseThatGoBackTo(
  repository: Repository,
  state: RepositoryState,
  { variant, arch, version }: Release,
): Promise<readonly string[]> {
  const siblings = publishedReleases(state).filter(
    (other) => other.variant === variant && other.arch === arch && other.version !== version,
  );
  const documents = await Promise.all(
    siblings.map((other) => readRelease(repository, state, other)),
  );
  return documents
    .filter(({ rollbackTo }) => rollbackTo.includes(version))
    .map((other) => other.version);
}

function effectsOf({ version, rollbackTo }: Release): readonly string[] {
  const back =
    rollbackTo.length === 0
      ? 'its document names no release to go back to, so only an update moves them'
      : `they may be sent back to ${rollbackTo.join(', ')}, as before`;
  return [
    'no host can install it any more; the bytes of its images stay in the storage',
    `hosts that run ${version} keep it; ${back}`,
    `the version stays taken: nothing else can be published as ${version}`,
  ];
}
