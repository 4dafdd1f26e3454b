import type {
  Repository,
  RepositoryEdit,
  RepositoryState,
} from '../adapters/repository/repository.ts';
import { countSigners } from '../adapters/repository/sign.ts';
import type { Signer } from '../adapters/signing/signer.ts';
import { ExpectedError } from '../core/errors.ts';
import { trustIn } from '../core/tuf/repository-metadata.ts';

export class ReleaseEditError extends ExpectedError<
  /** The given keys may not sign a role that the change needs. */
  | 'release/role'
  /** A rollout in force gives the release, or sends hosts back to it. */
  | 'release/in-use'
  /** Other releases name it as their way back. */
  | 'release/way-back'
> {}

/** A role that has to be signed for a change, and who may sign it. */
export type NeededRole = {
  readonly role: string;
  readonly threshold: number;
  readonly keyIds: readonly string[];
};

/** A change of a published release, worked out on top of one state; nothing of it is written. */
export type ReleaseEdit = {
  readonly edit: RepositoryEdit;
  /** In words, for people. */
  readonly warnings: readonly string[];
};

export type EditMode =
  { readonly kind: 'dry-run' } | { readonly kind: 'commit'; readonly signers: readonly Signer[] };

export type Edited<Planned> = {
  readonly planned: Planned;
  readonly isWritten: boolean;
  /** Who signs: the roles that change, then snapshot and timestamp; none if nothing changes. */
  readonly needed: readonly NeededRole[];
  readonly uploadBytes: number;
};

/** Works the change out again on whatever is published when its turn comes, and commits it, or tells what it would be. */
export async function editRelease<Planned extends ReleaseEdit>(
  repository: Repository,
  mode: EditMode,
  work: (state: RepositoryState) => Promise<Planned>,
): Promise<Edited<Planned>> {
  const state = await repository.load();
  let planned = await work(state);
  let needed = neededRoles(state, planned.edit);
  // The first plan that changed something is what happened: after a lost answer the next finds it done.
  const isChange = needed.length > 0;
  if (mode.kind === 'commit' && isChange) {
    await repository.commit({
      signers: mode.signers,
      edit: async (before) => {
        const next = await work(before);
        const roles = neededRoles(before, next.edit);
        if (roles.length === 0) return next.edit;
        requireKeys(before, roles, mode.signers);
        planned = next;
        needed = roles;
        return next.edit;
      },
    });
  }
  const files = [...planned.edit.roles.values()].flatMap(({ replace = [] }) => replace);
  return {
    planned,
    isWritten: mode.kind === 'commit' && isChange,
    needed,
    uploadBytes: files.reduce((sum, { bytes }) => sum + bytes.length, 0),
  };
}

function neededRoles(state: RepositoryState, { roles }: RepositoryEdit): readonly NeededRole[] {
  const names = roles.size === 0 ? [] : [...roles.keys(), 'snapshot', 'timestamp'];
  return names.map((role) => {
    const trust = trustIn(state, role);
    return { role, threshold: trust?.threshold ?? 0, keyIds: trust?.keyids ?? [] };
  });
}

function requireKeys(
  state: RepositoryState,
  roles: readonly NeededRole[],
  signers: readonly Signer[],
): void {
  const lacking = roles.find(({ role }) => {
    const trust = trustIn(state, role);
    return trust === null || countSigners(trust, signers) < trust.threshold;
  });
  if (lacking === undefined) return;
  const { role, threshold, keyIds } = lacking;
  throw new ReleaseEditError(
    'release/role',
    `the given keys may not sign role ${role}, which has to change with the release`,
    { hints: [`it needs ${threshold} of ${keyIds.join(', ')}`] },
  );
}
