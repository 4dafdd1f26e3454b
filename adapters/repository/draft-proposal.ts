import { canonicalBytes } from '../../core/tuf/canonical.ts';
import { addDelegations, newTargets, nextEdition, targetsOf } from '../../core/tuf/edit.ts';
import type { NewDelegation } from '../../core/tuf/edit.ts';
import { expiresOf } from '../../core/tuf/lifetimes.ts';
import type { ExpiryPolicy } from '../../core/tuf/lifetimes.ts';
import type { Metadata, ReadMetadata, TargetsMetadata } from '../../core/tuf/metadata.ts';
import { ROLLOUTS_ROLE } from '../../core/tuf/names.ts';
import { filesOfProposal, ProposalError } from '../../core/tuf/proposal.ts';
import type { Proposal } from '../../core/tuf/proposal.ts';
import { trustIn } from '../../core/tuf/repository-metadata.ts';
import { changeKeys, removeDelegations } from '../../core/tuf/role-keys.ts';
import type { KeyChange, TrustFiles } from '../../core/tuf/role-keys.ts';
import { signersOf } from '../../core/tuf/verify.ts';
import type { Storage } from '../storage/storage.ts';
import type { RepositoryState } from './load.ts';
import { lowestSafeVersion, nextFreeVersion } from './revision.ts';
import { requireSaneDraft } from './sane-clock.ts';

/** A change of who may sign what; made in this order. */
export type TrustChange = {
  readonly removeDelegations: readonly string[];
  readonly addDelegations: readonly NewDelegation[];
  readonly keys: readonly KeyChange[];
  /** Gets a new version and expiry even if nothing else changes. */
  readonly renew: readonly ('root' | 'targets')[];
  /** See RepositoryEdit.restart. */
  readonly restart: readonly string[];
};

export const NO_TRUST_CHANGE: TrustChange = {
  removeDelegations: [],
  addDelegations: [],
  keys: [],
  renew: [],
  restart: [],
};

export type DraftContext = {
  readonly storage: Storage;
  readonly now: Date;
  readonly expiry: ExpiryPolicy;
} & Pick<Proposal, 'id' | 'by' | 'reason'>;

/**
 * The proposal of a change on top of what is published: the new files under their final versions, with no signature yet. The
 * rollouts role is left out, because whoever applies the proposal holds the online key. Throws `proposal/nothing`.
 */
export async function draftProposal(
  state: RepositoryState,
  change: TrustChange,
  context: DraftContext,
): Promise<Proposal> {
  requireSaneDraft(state, context);
  const after = changedFiles(state, change);
  const isRootNew = change.renew.includes('root') || !isSame(state.root, after.root);
  const root = isRootNew
    ? nextEdition(after.root, {
        version: state.root.version + 1,
        expires: expiresOf('root', context.now, context.expiry),
      })
    : after.root;
  const isTargetsNew =
    change.renew.includes('targets') ||
    change.restart.includes('targets') ||
    !isSame(state.targets, after.targets) ||
    !isSigned(state, 'targets', { root, targets: after.targets });
  const targets = isTargetsNew
    ? await nextOf('targets', after.targets, change, context)
    : after.targets;
  const delegated = await draftDelegated(state, { root, targets }, change, context);
  if (!isRootNew && !isTargetsNew && delegated.size === 0) {
    throw new ProposalError('proposal/nothing', 'this would change nothing');
  }
  const targetsFile = state.files.get('targets');
  if (targetsFile === undefined) throw new Error('a loaded state has the file of targets');
  return {
    id: context.id,
    createdAt: context.now,
    by: context.by,
    reason: context.reason,
    base: {
      root: state.rootFile,
      targets: targetsFile,
      delegated: new Map([...state.files].filter(([role]) => delegated.has(role))),
    },
    root: isRootNew ? unsigned(root) : null,
    targets: isTargetsNew ? unsigned(targets) : null,
    delegated,
    restart: change.restart,
  };
}

/**
 * Whether the proposal is what this change makes of its base, apart from versions and expiries, which depend on the moment. It
 * says nothing about the files of delegated roles.
 */
export function isDraftOf(
  { base, root, targets, restart }: Proposal,
  change: TrustChange,
): boolean {
  if (base === null) return false;
  const before = { root: base.root.signed, targets: base.targets.signed };
  const after = changedFiles(before, change);
  const isRootNew = change.renew.includes('root') || !isSame(before.root, after.root);
  return (
    (root !== null) === isRootNew &&
    hasSameContent(root?.signed ?? before.root, after.root) &&
    (targets !== null || !change.renew.includes('targets')) &&
    hasSameContent(targets?.signed ?? before.targets, after.targets) &&
    JSON.stringify(restart) === JSON.stringify(change.restart)
  );
}

/** Whether two proposals make the same new repository, at whatever moment each was made. */
export function isSameFirst(one: Proposal, other: Proposal): boolean {
  const files = new Map(filesOfProposal(other));
  const mine = filesOfProposal(one);
  return (
    one.base === null &&
    other.base === null &&
    mine.length === files.size &&
    mine.every(([role, { signed }]) => {
      const its = files.get(role);
      return its !== undefined && hasSameContent(signed, its.signed);
    })
  );
}

/** Whether two files of a role say the same, under whatever version and for however long. */
export function hasSameContent(a: Metadata, b: Metadata): boolean {
  return isSame({ ...a, version: 1, expires: '' }, { ...b, version: 1, expires: '' });
}

function changedFiles(before: TrustFiles, change: TrustChange): TrustFiles {
  const kept =
    change.removeDelegations.length === 0
      ? before.targets
      : removeDelegations(before.targets, change.removeDelegations);
  const targets =
    change.addDelegations.length === 0 ? kept : addDelegations(kept, change.addDelegations);
  return change.keys.reduce(changeKeys, { root: before.root, targets });
}

async function draftDelegated(
  state: RepositoryState,
  parents: TrustFiles,
  change: TrustChange,
  context: DraftContext,
): Promise<ReadonlyMap<string, ReadMetadata<TargetsMetadata>>> {
  const drafts = new Map<string, ReadMetadata<TargetsMetadata>>();
  for (const { name } of parents.targets.delegations?.roles ?? []) {
    const present = state.delegated.get(name);
    const isDue = change.restart.includes(name) || !isSigned(state, name, parents);
    if (name === ROLLOUTS_ROLE || !isDue) continue;
    const content = present ?? newTargets({ version: 1, expires: parents.targets.expires });
    drafts.set(name, unsigned(await nextOf(name, content, change, context)));
  }
  return drafts;
}

async function nextOf(
  role: string,
  content: TargetsMetadata,
  { restart }: TrustChange,
  { storage, now, expiry }: DraftContext,
): Promise<TargetsMetadata> {
  const version = restart.includes(role)
    ? await lowestSafeVersion(storage, role)
    : await nextFreeVersion(storage, role, content.version - 1);
  return targetsOf(content, { version, expires: expiresOf(role, now, expiry) });
}

/** Whether what is published of the role still counts under these parents. */
function isSigned(state: RepositoryState, role: string, parents: TrustFiles): boolean {
  const file = state.files.get(role);
  const trust = trustIn(parents, role);
  return file !== undefined && trust !== null && signersOf(file, trust).length >= trust.threshold;
}

function isSame(a: Metadata, b: Metadata): boolean {
  return Buffer.compare(canonicalBytes(a), canonicalBytes(b)) === 0;
}

export function unsigned<S>(signed: S): ReadMetadata<S> {
  return { signed, signatures: [], signedBytes: canonicalBytes(signed) };
}
