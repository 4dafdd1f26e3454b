import type { SnapshotMetadata } from './metadata.ts';
import { isExpired } from './verify.ts';

/** A versioned metadata file that lies in a storage, published or not. */
export type StoredMetadata = {
  readonly role: string;
  readonly version: number;
  readonly modifiedAt: Date;
};

export type Retention = {
  readonly now: Date;
  /** What was put, or given up by hosts, less than this long ago stays in any case. */
  readonly keepForMs: number;
};

/**
 * Which snapshots somebody may still ask for, by version:
 *
 * - the published one;
 * - each that has not expired. Timestamps are not kept by version, and a snapshot that was written but never published
 *   looks like any other, so nobody can tell when hosts were sent on from an older one. But no host completes an
 *   update with an expired snapshot, however valid its timestamp is (TUF 5.5.6), and there the certainty begins;
 * - each that was superseded within `keepForMs`, at the earliest when the next higher one was put: hosts may have slow
 *   clocks, and may still download what it named;
 * - each that was put within `keepForMs`: a publisher may be at work on it.
 */
export function wantedSnapshots(
  stored: ReadonlyMap<number, { readonly signed: SnapshotMetadata; readonly modifiedAt: Date }>,
  published: number,
  retention: Retention,
): ReadonlySet<number> {
  const ascending = [...stored].toSorted(([a], [b]) => a - b);
  const wanted = ascending.filter(([, { signed, modifiedAt }], index) => {
    const next = ascending[index + 1]?.[1];
    return (
      !isExpired(signed, retention.now) ||
      isRecent(modifiedAt, retention) ||
      (next !== undefined && isRecent(next.modifiedAt, retention))
    );
  });
  return new Set([published, ...wanted.map(([version]) => version)]);
}

/**
 * Whether a role's metadata stays: a wanted snapshot names it, or it was put within `keepForMs`, as by a publisher who
 * has not written the snapshot yet. Roots stay always: a host that was away for years starts at its own (TUF 5.3).
 */
export function isRoleWanted(
  { role, version, modifiedAt }: StoredMetadata,
  snapshots: readonly SnapshotMetadata[],
  retention: Retention,
): boolean {
  if (role === 'root' || isRecent(modifiedAt, retention)) return true;
  const file = `${role}.json`;
  return snapshots.some(({ meta }) => Object.hasOwn(meta, file) && meta[file]?.version === version);
}

/** Whether it was put within `keepForMs`, or, by the store's clock, will be. So long stays also what no metadata names. */
export function isRecent(modifiedAt: Date, { now, keepForMs }: Retention): boolean {
  return now.getTime() - modifiedAt.getTime() <= keepForMs;
}
