import {
  newSnapshot,
  newTimestamp,
  nextSnapshot,
  nextTimestamp,
  targetsOf,
} from '../../core/tuf/edit.ts';
import type { Edition } from '../../core/tuf/edit.ts';
import { expiresOf } from '../../core/tuf/lifetimes.ts';
import type { ExpiryPolicy } from '../../core/tuf/lifetimes.ts';
import type { ProfileChange } from '../../core/tuf/lint.ts';
import type { MetaFile, ReadMetadata, TargetsMetadata } from '../../core/tuf/metadata.ts';
import { trustIn } from '../../core/tuf/repository-metadata.ts';
import { rootTrust } from '../../core/tuf/verify.ts';
import type { RepositoryState } from './load.ts';
import type { EditPlan } from './plan.ts';
import type { Draft, Revision, Written } from './revision.ts';

/** What must be signed and written for a plan. */
export function revisionOf(plan: EditPlan): Revision {
  const { before, after, restart } = plan;
  const version = (role: string) => before.snapshot.meta[`${role}.json`]?.version ?? 0;
  const draft = (role: string, metadata: TargetsMetadata): Draft<TargetsMetadata> => ({
    trust: trustIn(after, role) ?? rootTrust(after.root, 'targets'),
    after: restart.has(role) ? 'restart' : version(role),
    make: (edition) => targetsOf(metadata, edition),
  });
  const isRestart = restart.size > 0;
  const snapshotDraft = (changed: ReadonlyMap<string, MetaFile>) => ({
    trust: rootTrust(after.root, 'snapshot'),
    after: isRestart ? ('restart' as const) : before.snapshot.version,
    make: (edition: Edition) =>
      isRestart
        ? newSnapshot(keptRoles(plan, changed), edition)
        : nextSnapshot(before.snapshot, changed, edition),
  });
  return {
    roles: new Map([...plan.signed].map(([role, metadata]) => [role, draft(role, metadata)])),
    adopted: plan.adopted,
    root: plan.root,
    snapshot: plan.snapshot ? snapshotDraft : before.snapshot,
    timestamp: (snapshot) => ({
      trust: rootTrust(after.root, 'timestamp'),
      after: isRestart ? 'restart' : before.timestamp.version,
      make: (edition) => {
        const meta = snapshot ?? before.timestamp.meta['snapshot.json'];
        return isRestart
          ? newTimestamp(meta, edition)
          : nextTimestamp(before.timestamp, meta, edition);
      },
    }),
    condition: { kind: 'replace-if-unchanged', etag: before.timestampEtag },
  };
}

/** What the linter is to judge: each file that the plan replaces with the version and expiry that it is about to get. */
export function profileChangeOf(
  plan: EditPlan,
  { now, expiry }: { readonly now: Date; readonly expiry: ExpiryPolicy },
): ProfileChange {
  const { before, after } = plan;
  const revision = revisionOf(plan);
  const made = <S>(role: string, draft: Draft<S>): S =>
    draft.make({
      version: draft.after === 'restart' ? 1 : draft.after + 1,
      expires: expiresOf(role, now, expiry),
    });
  const roles = new Map(
    [...revision.roles].map(([role, draft]) => [role, made(role, draft)] as const),
  );
  const snapshot =
    typeof revision.snapshot === 'function'
      ? made('snapshot', revision.snapshot(new Map()))
      : revision.snapshot;
  return {
    before,
    after: {
      root: after.root,
      targets: roles.get('targets') ?? after.targets,
      delegated: new Map(
        [...after.delegated].map(([role, metadata]) => [role, roles.get(role) ?? metadata]),
      ),
      // New roles have a version only once they are written.
      snapshot: { ...snapshot, meta: after.snapshot.meta },
      timestamp: plan.timestamp ? made('timestamp', revision.timestamp(null)) : before.timestamp,
    },
  };
}

/** A snapshot that starts again names the roles of today only. */
function keptRoles(
  { before, after }: EditPlan,
  changed: ReadonlyMap<string, MetaFile>,
): ReadonlyMap<string, MetaFile> {
  return new Map(
    ['targets', ...after.delegated.keys()].flatMap((role) => {
      const meta = changed.get(role) ?? before.snapshot.meta[`${role}.json`];
      return meta === undefined ? [] : [[role, meta] as const];
    }),
  );
}

/** The state that a load would find once the plan is written. */
export function stateAfter(
  { before, after, root }: EditPlan,
  written: Written & { readonly timestampEtag: string },
): RepositoryState {
  const { roles, snapshot, timestamp, timestampEtag } = written;
  const delegated = [...after.delegated].map(
    ([role, metadata]) => [role, roles.get(role)?.signed ?? metadata] as const,
  );
  return {
    root: after.root,
    rootFile: root === null ? before.rootFile : readOf(root),
    targets: roles.get('targets')?.signed ?? after.targets,
    delegated: new Map(delegated),
    snapshot,
    timestamp,
    timestampEtag,
    files: new Map(
      ['targets', ...after.delegated.keys()].flatMap((role) => {
        const file = roles.get(role) ?? before.files.get(role);
        if (file === undefined) return [];
        return [[role, readOf(file)] as const];
      }),
    ),
  };
}

/** As a load would give it. */
function readOf<S>({ signed, signatures, signedBytes }: ReadMetadata<S>): ReadMetadata<S> {
  return { signed, signatures, signedBytes };
}
