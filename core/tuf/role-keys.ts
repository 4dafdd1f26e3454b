import { TufError } from './errors.ts';
import { keyId } from './keys.ts';
import type { Key } from './keys.ts';
import type { Delegations, Keys, RoleKeys, RootMetadata, TargetsMetadata } from './metadata.ts';

/** A change of who may sign one role. Keys that are given twice, added again or removed without being there are refused. */
export type KeyChange = {
  readonly role: string;
  readonly add: readonly Key[];
  /** Key ids. */
  readonly remove: readonly string[];
  /** Null keeps it. */
  readonly threshold: number | null;
};

/** The two files that say who may sign what. */
export type TrustFiles = { readonly root: RootMetadata; readonly targets: TargetsMetadata };

/**
 * Applies a change of keys to the file that names the role's keys: root for the four top-level roles, targets for delegated
 * ones. Keys that no role uses any more leave the file. Versions and expiries stay. Throws `tuf/key`, `tuf/threshold` or
 * `tuf/name`.
 */
export function changeKeys(files: TrustFiles, change: KeyChange): TrustFiles {
  const { root, targets } = files;
  switch (change.role) {
    case 'root':
    case 'targets':
    case 'snapshot':
    case 'timestamp': {
      const changed = changedKeys(root.roles[change.role], change);
      const roles = { ...root.roles, [change.role]: changed };
      return { targets, root: { ...root, roles, keys: usedKeys(root.keys, change, roles) } };
    }
    default:
      return { root, targets: changeDelegation(targets, change) };
  }
}

/** Takes delegations away, with the keys that only they used. Throws `tuf/name` for a role that is not delegated. */
export function removeDelegations(
  targets: TargetsMetadata,
  names: readonly string[],
): TargetsMetadata {
  const before = delegationsOf(targets);
  const unknown = names.find((name) => !before.roles.some((role) => role.name === name));
  if (unknown !== undefined) throw new TufError('tuf/name', `no role ${unknown} is delegated`);
  const roles = before.roles.filter(({ name }) => !names.includes(name));
  const ids = new Set(roles.flatMap(({ keyids }) => keyids));
  const keys = Object.fromEntries(Object.entries(before.keys).filter(([id]) => ids.has(id)));
  return { ...targets, delegations: { keys, roles } };
}

function changeDelegation(targets: TargetsMetadata, change: KeyChange): TargetsMetadata {
  const before = delegationsOf(targets);
  if (!before.roles.some(({ name }) => name === change.role)) {
    throw new TufError('tuf/name', `no role ${change.role} is delegated`);
  }
  const roles = before.roles.map((role) =>
    role.name === change.role ? { ...role, ...changedKeys(role, change) } : role,
  );
  const keys = usedKeys(before.keys, change, Object.fromEntries(roles.entries()));
  return { ...targets, delegations: { keys, roles } };
}

function delegationsOf({ delegations }: TargetsMetadata): Delegations {
  return delegations ?? { keys: {}, roles: [] };
}

function changedKeys(before: RoleKeys, { role, add, remove, threshold }: KeyChange): RoleKeys {
  const absent = remove.find((id) => !before.keyids.includes(id));
  if (absent !== undefined) throw new TufError('tuf/key', `role ${role} has no key ${absent}`);
  const added = add.map(keyId);
  const again = added.find(
    (id, index) => before.keyids.includes(id) || added.indexOf(id) !== index,
  );
  if (again !== undefined) throw new TufError('tuf/key', `role ${role} has key ${again} already`);
  const keyids = [...before.keyids.filter((id) => !remove.includes(id)), ...added];
  const wanted = threshold ?? before.threshold;
  if (!Number.isInteger(wanted) || wanted < 1 || wanted > keyids.length) {
    throw new TufError(
      'tuf/threshold',
      `role ${role}: the threshold must be 1 to ${keyids.length}, its number of keys, got ${wanted}`,
    );
  }
  return { ...before, keyids, threshold: wanted };
}

function usedKeys(
  before: Keys,
  { add }: KeyChange,
  roles: Readonly<Record<string, RoleKeys>>,
): Keys {
  const used = new Set(Object.values(roles).flatMap(({ keyids }) => keyids));
  const all = { ...before, ...Object.fromEntries(add.map((key) => [keyId(key), key])) };
  return Object.fromEntries(Object.entries(all).filter(([id]) => used.has(id)));
}
