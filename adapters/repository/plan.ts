import { canonicalBytes } from '../../core/tuf/canonical.ts';
import { metaFile, newTargets } from '../../core/tuf/edit.ts';
import { TufError } from '../../core/tuf/errors.ts';
import type {
  RootMetadata,
  SignedMetadata,
  SnapshotMetadata,
  TargetsMetadata,
} from '../../core/tuf/metadata.ts';
import { trustIn } from '../../core/tuf/repository-metadata.ts';
import type { RepositoryMetadata } from '../../core/tuf/repository-metadata.ts';
import {
  contentOf,
  rootTrust,
  signersOf,
  trustedIdOf,
  verifyNextRoot,
  verifySignatures,
} from '../../core/tuf/verify.ts';
import type { RoleTrust } from '../../core/tuf/verify.ts';
import { applyEdit } from './edits.ts';
import type { RepositoryEdit } from './edits.ts';
import { RepositoryError } from './errors.ts';
import type { RepositoryState } from './load.ts';

/** What an edit comes to on top of a published state; nothing of it is signed or written yet. */
export type EditPlan = {
  readonly before: RepositoryState;
  /** The metadata after the edit; what is still to be signed has its old version and expiry. */
  readonly after: RepositoryMetadata;
  /** Null if the root stays. */
  readonly root: SignedMetadata<RootMetadata> | null;
  /** Published as they are. */
  readonly adopted: ReadonlyMap<string, SignedMetadata<TargetsMetadata>>;
  /** To be signed: what the edit changes, and what lost its signatures because its keys changed. */
  readonly signed: ReadonlyMap<string, TargetsMetadata>;
  readonly snapshot: boolean;
  readonly timestamp: boolean;
  readonly restart: ReadonlySet<string>;
};

/** Whether the edit changes nothing that is published. */
export function isNothing({ root, timestamp }: EditPlan): boolean {
  return root === null && !timestamp;
}

/**
 * Works an edit out. What it holds that is published already counts as done. Throws TufError or RepositoryError if a file
 * signed elsewhere does not fit on what is published, or the edit names a role that nobody delegates.
 */
export function planEdit(state: RepositoryState, edit: RepositoryEdit): EditPlan {
  const root = nextRoot(state, edit.root);
  const trusted = root?.signed ?? state.root;
  const restart = edit.restart ?? new Set();
  const adopted = notYetPublished(state, edit.adopted ?? new Map(), restart);
  const targets = contentOfRole('targets', state, { edit, adopted });
  const names = targets.delegations?.roles.map(({ name }) => name) ?? [];
  const roles = new Map(
    ['targets', ...names].map((role) => [
      role,
      role === 'targets' ? targets : contentOfRole(role, state, { edit, adopted }),
    ]),
  );
  refuseUnknown([...edit.roles.keys(), ...adopted.keys()], roles);
  const parents = { root: trusted, targets };
  for (const [role, file] of adopted) {
    verifySignatures(`the file of role ${role}`, file, trustOf(parents, role));
  }
  const signed = new Map(
    [...roles].filter(
      ([role]) =>
        !adopted.has(role) &&
        (edit.roles.has(role) || !isStillSigned(state, role, trustOf(parents, role))),
    ),
  );
  const isRekeyed = (role: 'snapshot' | 'timestamp') =>
    JSON.stringify(state.root.roles[role]) !== JSON.stringify(trusted.roles[role]);
  requireNewReign(state.root, trusted, restart);
  const snapshot =
    signed.size + adopted.size > 0 ||
    isRekeyed('snapshot') ||
    edit.renew?.includes('snapshot') === true ||
    restart.size > 0;
  const timestamp =
    snapshot || isRekeyed('timestamp') || edit.renew?.includes('timestamp') === true;
  const after = {
    ...parents,
    delegated: new Map([...roles].filter(([role]) => role !== 'targets')),
    snapshot: snapshotAfter(state, { roles, adopted, isRestart: restart.size > 0 }),
    timestamp: state.timestamp,
  };
  return { before: state, after, root, adopted, signed, snapshot, timestamp, restart };
}

function nextRoot(
  state: RepositoryState,
  root: SignedMetadata<RootMetadata> | undefined,
): SignedMetadata<RootMetadata> | null {
  if (root === undefined) return null;
  if (Buffer.compare(root.signedBytes, state.rootFile.signedBytes) === 0) return null;
  verifyNextRoot(`root ${root.signed.version}`, state.root, root);
  return root;
}

function notYetPublished(
  { snapshot }: RepositoryState,
  adopted: ReadonlyMap<string, SignedMetadata<TargetsMetadata>>,
  restart: ReadonlySet<string>,
): ReadonlyMap<string, SignedMetadata<TargetsMetadata>> {
  return new Map(
    [...adopted].filter(([role, { bytes, signed }]) => {
      const meta = snapshot.meta[`${role}.json`];
      if (meta?.hashes.sha256 === contentOf(bytes).hashes.sha256) return false;
      if (meta !== undefined && signed.version <= meta.version && !restart.has(role)) {
        throw new RepositoryError(
          'repository/moved-on',
          `role ${role} has version ${meta.version} by now, so version ${signed.version} comes too late`,
          { hints: ['make the change again on top of what is published'] },
        );
      }
      return true;
    }),
  );
}

function contentOfRole(
  role: string,
  state: RepositoryState,
  { edit, adopted }: Required<Pick<RepositoryEdit, 'adopted'>> & { readonly edit: RepositoryEdit },
): TargetsMetadata {
  const file = adopted.get(role);
  if (file !== undefined) return file.signed;
  const before = role === 'targets' ? state.targets : state.delegated.get(role);
  const change = edit.roles.get(role);
  if (before === undefined) {
    // The version and expiry are those of the next signing.
    const empty = newTargets({ version: 1, expires: state.targets.expires });
    return change === undefined ? empty : applyEdit(empty, change);
  }
  return change === undefined ? before : applyEdit(before, change);
}

function refuseUnknown(
  named: readonly string[],
  roles: ReadonlyMap<string, TargetsMetadata>,
): void {
  const unknown = named.find((role) => !roles.has(role));
  if (unknown === undefined) return;
  throw new RepositoryError('repository/role', `no role ${unknown} is delegated`, {
    hints: [`delegated: ${[...roles.keys()].filter((role) => role !== 'targets').join(', ')}`],
  });
}

function trustOf(parents: Pick<RepositoryMetadata, 'root' | 'targets'>, role: string): RoleTrust {
  return trustIn(parents, role) ?? rootTrust(parents.root, 'targets');
}

/** Whether what is published of the role is signed by enough of the keys that it has now. */
function isStillSigned(state: RepositoryState, role: string, trust: RoleTrust): boolean {
  const file = state.files.get(role);
  return file !== undefined && signersOf(file, trust).length >= trust.threshold;
}

/** Entries of roles that are still to be signed say only that they will be there. */
function snapshotAfter(
  { snapshot }: RepositoryState,
  {
    roles,
    adopted,
    isRestart,
  }: {
    readonly roles: ReadonlyMap<string, TargetsMetadata>;
    readonly adopted: ReadonlyMap<string, SignedMetadata<TargetsMetadata>>;
    readonly isRestart: boolean;
  },
): SnapshotMetadata {
  const entries = [...roles].map(([role, metadata]) => {
    const file = `${role}.json`;
    const fixed = adopted.get(role);
    const present = snapshot.meta[file];
    const bytes = fixed?.bytes ?? canonicalBytes(metadata);
    if (fixed === undefined && present !== undefined) return [file, present] as const;
    return [file, metaFile(metadata.version, contentOf(bytes))] as const;
  });
  // TUF 5.5.5: an entry stays, even of a role that is delegated no more, until snapshot keys are replaced.
  return {
    ...snapshot,
    meta: { ...(isRestart ? {} : snapshot.meta), ...Object.fromEntries(entries) },
  };
}

function requireNewReign(
  before: RootMetadata,
  after: RootMetadata,
  restart: ReadonlySet<string>,
): void {
  if (restart.size === 0) return;
  for (const role of ['snapshot', 'timestamp'] as const) {
    const old = rootTrust(before, role);
    const kept = after.roles[role].keyids.filter((id) => {
      const key = after.keys[id];
      return key !== undefined && trustedIdOf(old, key) !== null;
    });
    if (kept.length > 0) {
      throw new TufError(
        'tuf/key',
        `versions may only start again when all keys of ${role} are replaced, got ${kept.join(', ')} again`,
      );
    }
  }
}
