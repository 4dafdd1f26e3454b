import type { Keys, RoleKeys, RootMetadata, TargetsMetadata } from './metadata.ts';

/** One difference between two versions of a role's metadata, as data. */
export type Change =
  | { readonly kind: 'role-added' }
  | { readonly kind: 'signed-anew' }
  | { readonly kind: 'expires'; readonly from: string; readonly to: string }
  | { readonly kind: 'consistent-snapshot'; readonly to: boolean }
  | {
      readonly kind: 'key-added' | 'key-removed';
      readonly of: string;
      readonly keyId: string;
      readonly keytype: string;
    }
  | {
      readonly kind: 'threshold';
      readonly of: string;
      readonly from: number;
      readonly to: number;
    }
  | {
      readonly kind: 'delegation-added' | 'delegation-removed';
      readonly of: string;
      readonly paths: readonly string[];
      readonly keyIds: readonly string[];
      readonly threshold: number;
    }
  | {
      readonly kind: 'target-added' | 'target-removed';
      readonly target: string;
      readonly length: number;
      readonly sha256: string;
    }
  | {
      readonly kind: 'target-changed';
      readonly target: string;
      readonly length: number;
      readonly from: string;
      readonly to: string;
    };

export type RoleDiff = { readonly role: string; readonly changes: readonly Change[] };

/** What a new root changes. Without one before it, everything is new. */
export function diffRoot(before: RootMetadata | null, after: RootMetadata): readonly Change[] {
  const nobody: RoleKeys = { keyids: [], threshold: 0 };
  return [
    ...(before === null ? [{ kind: 'role-added' } as const] : []),
    ...(['root', 'targets', 'snapshot', 'timestamp'] as const).flatMap((role) =>
      diffKeys(role, {
        before: before?.roles[role] ?? nobody,
        after: after.roles[role],
        keys: { ...before?.keys, ...after.keys },
      }),
    ),
    ...(before !== null && before.consistent_snapshot !== after.consistent_snapshot
      ? [{ kind: 'consistent-snapshot', to: after.consistent_snapshot } as const]
      : []),
    ...diffExpiry(before, after),
  ];
}

/** What a new version of a targets role changes: delegations, targets, expiry; `signed-anew` if nothing else. */
export function diffTargets(
  before: TargetsMetadata | null,
  after: TargetsMetadata,
): readonly Change[] {
  const changes = [
    ...(before === null ? [{ kind: 'role-added' } as const] : []),
    ...diffDelegations(before, after),
    ...diffFiles(before?.targets ?? {}, after.targets),
    ...diffExpiry(before, after),
  ];
  return changes.length > 0 ? changes : [{ kind: 'signed-anew' }];
}

function diffExpiry(
  before: { readonly expires: string } | null,
  after: { readonly expires: string },
): readonly Change[] {
  if (before === null || before.expires === after.expires) return [];
  return [{ kind: 'expires', from: before.expires, to: after.expires }];
}

function diffKeys(
  of: string,
  {
    before,
    after,
    keys,
  }: { readonly before: RoleKeys; readonly after: RoleKeys; readonly keys: Keys },
): readonly Change[] {
  const named = (kind: 'key-added' | 'key-removed') => (id: string) => ({
    kind,
    of,
    keyId: id,
    keytype: keys[id]?.keytype ?? 'unknown',
  });
  return [
    ...after.keyids.filter((id) => !before.keyids.includes(id)).map(named('key-added')),
    ...before.keyids.filter((id) => !after.keyids.includes(id)).map(named('key-removed')),
    ...(before.threshold === after.threshold
      ? []
      : [{ kind: 'threshold', of, from: before.threshold, to: after.threshold } as const]),
  ];
}

function diffDelegations(
  before: TargetsMetadata | null,
  after: TargetsMetadata,
): readonly Change[] {
  const old = before?.delegations?.roles ?? [];
  const now = after.delegations?.roles ?? [];
  const keys = { ...before?.delegations?.keys, ...after.delegations?.keys };
  const whole = (
    kind: 'delegation-added' | 'delegation-removed',
    { name, paths, keyids, threshold }: (typeof now)[number],
  ) => ({ kind, of: name, paths, keyIds: keyids, threshold });
  return [
    ...now.flatMap((role) => {
      const same = old.find(({ name }) => name === role.name);
      if (same === undefined) return [whole('delegation-added', role)];
      if (same.paths.join('\n') !== role.paths.join('\n')) {
        return [whole('delegation-removed', same), whole('delegation-added', role)];
      }
      return diffKeys(role.name, { before: same, after: role, keys });
    }),
    ...old
      .filter(({ name }) => !now.some((role) => role.name === name))
      .map((role) => whole('delegation-removed', role)),
  ];
}

function diffFiles(
  before: TargetsMetadata['targets'],
  after: TargetsMetadata['targets'],
): readonly Change[] {
  const changed = Object.entries(after).flatMap(([target, { length, hashes }]): Change[] => {
    const old = Object.hasOwn(before, target) ? before[target] : undefined;
    const { sha256 } = hashes;
    if (old === undefined) return [{ kind: 'target-added', target, length, sha256 }];
    const from = old.hashes.sha256;
    return from === sha256 ? [] : [{ kind: 'target-changed', target, length, from, to: sha256 }];
  });
  const removed = Object.entries(before)
    .filter(([target]) => !Object.hasOwn(after, target))
    .map(([target, { length, hashes }]): Change => {
      return { kind: 'target-removed', target, length, sha256: hashes.sha256 };
    });
  return [...changed, ...removed];
}
