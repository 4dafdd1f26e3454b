import { addTargets, removeTargets, replaceTarget } from '../../core/tuf/edit.ts';
import type { RootMetadata, SignedMetadata, TargetsMetadata } from '../../core/tuf/metadata.ts';
import { contentOf } from '../../core/tuf/verify.ts';
import type { Storage } from '../storage/storage.ts';
import { putTarget, requireUploaded } from './targets.ts';
import type { ListedTarget } from './targets.ts';

export type SmallTarget = { readonly name: string; readonly bytes: Uint8Array };

/** What a commit does to one targets role. An empty edit signs the role anew and so renews its expiry. */
export type RoleEdit = {
  /** Targets that were uploaded before. A name that is taken by other bytes is refused: `tuf/target-exists`. */
  readonly add?: readonly ListedTarget[];
  /** Small targets that the commit uploads itself; the same rule. */
  readonly addFiles?: readonly SmallTarget[];
  /** New content for names that are made to change, as `manifest.json`. */
  readonly replace?: readonly SmallTarget[];
  /** Names that are listed no more; one that is not there is no error. */
  readonly remove?: readonly string[];
};

export type RepositoryEdit = {
  /** By role: content that this commit's signers sign. A role that is delegated anew starts empty. */
  readonly roles: ReadonlyMap<string, RoleEdit>;
  /** By role: metadata that was signed elsewhere and is published as it is, once. */
  readonly adopted?: ReadonlyMap<string, SignedMetadata<TargetsMetadata>>;
  /** The next root, signed by enough keys of the present one and its own. */
  readonly root?: SignedMetadata<RootMetadata>;
  /** Signed anew even if nothing else asks for it; a new snapshot brings a new timestamp. */
  readonly renew?: readonly ('snapshot' | 'timestamp')[];
  /**
   * Recovery from a fast-forward attack: these roles' versions start again below what the attacker reached. Only together with
   * a root that replaces all snapshot and timestamp keys, for only then hosts forget the versions they saw (TUF 5.3.11).
   */
  readonly restart?: ReadonlySet<string>;
};

/** The metadata after the edit, still with its old version and expiry. */
export function applyEdit(metadata: TargetsMetadata, edit: RoleEdit): TargetsMetadata {
  const { add = [], addFiles = [], replace = [], remove = [] } = edit;
  const kept = removeTargets(metadata, remove);
  const listed = addTargets(
    kept,
    Object.fromEntries(
      add.map(({ name, length, sha256 }) => [name, { length, hashes: { sha256 } }]),
    ),
  );
  const added = addTargets(
    listed,
    Object.fromEntries(addFiles.map(({ name, bytes }) => [name, contentOf(bytes)])),
  );
  return replace.reduce(
    (before, { name, bytes }) => replaceTarget(before, name, contentOf(bytes)),
    added,
  );
}

/** Brings what the edit's metadata will name into the storage, or proves that it is there. */
export async function storeTargets(storage: Storage, edit: RoleEdit): Promise<void> {
  const { add = [], addFiles = [], replace = [] } = edit;
  for (const target of add) await requireUploaded(storage, target);
  for (const target of [...addFiles, ...replace]) await putTarget(storage, target);
}
