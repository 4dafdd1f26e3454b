import type { Repository, RepositoryState } from '../adapters/repository/repository.ts';
import { publishedReleases } from '../adapters/repository/repository.ts';
import { readManifest } from '../adapters/repository/rollouts.ts';
import { compileManifest } from '../core/compile.ts';
import { formatInstant } from '../core/instant.ts';
import { releaseRefOf, rolloutsThatKnow, withReleaseRef } from '../core/release-ref.ts';
import { diffTerms } from '../core/release-terms.ts';
import type { ReleaseTerms, TermChange } from '../core/release-terms.ts';
import { formatRelease } from '../core/release.ts';
import type { Release } from '../core/release.ts';
import { currentRollouts } from '../core/rollout.ts';
import type { Rollout } from '../core/rollout.ts';
import {
  MANIFEST_TARGET,
  releaseDocumentTarget,
  releasesRole,
  ROLLOUTS_ROLE,
} from '../core/tuf/names.ts';
import { findTarget } from '../core/tuf/repository-metadata.ts';
import { contentOf } from '../core/tuf/verify.ts';
import { editRelease } from './release-edit.ts';
import type { Edited, EditMode, ReleaseEdit } from './release-edit.ts';
import { readRelease } from '../adapters/repository/releases.ts';
import type { ReleaseName } from '../adapters/repository/releases.ts';

export type AmendOrder = ReleaseName & {
  /** What is not given stays. */
  readonly terms: Partial<ReleaseTerms>;
  readonly reason: string;
  readonly by: string;
};

export type Amendment = ReleaseEdit & {
  readonly changes: readonly TermChange[];
  readonly document: { readonly target: string; readonly before: string; readonly after: string };
  /** The rollouts that repeat the terms and say the same from now on. */
  readonly rollouts: readonly string[];
};

/**
 * Signs a published release's document anew with other terms, together with the manifest whose rollouts repeat them, in one
 * commit: no host sees one without the other. The same terms again change nothing.
 */
export async function amend(
  order: AmendOrder,
  options: { readonly repository: Repository; readonly mode: EditMode; readonly now: Date },
): Promise<Edited<Amendment>> {
  const { repository, mode, now } = options;
  return editRelease(repository, mode, (state) => amendment(repository, state, { order, now }));
}

async function amendment(
  repository: Repository,
  state: RepositoryState,
  { order, now }: { readonly order: AmendOrder; readonly now: Date },
): Promise<Amendment> {
  const release = await readRelease(repository, state, order);
  const target = releaseDocumentTarget(release);
  const before = findTarget(state, target)?.hashes.sha256 ?? '';
  const { rollbackTo, minimumFrom, notes } = { ...release, ...order.terms };
  const changes = diffTerms(release, { rollbackTo, minimumFrom, notes });
  if (changes.length === 0) {
    const document = { target, before, after: before };
    return { edit: { roles: new Map() }, changes, document, rollouts: [], warnings: [] };
  }
  const { reason, by } = order;
  const entry = { at: formatInstant(now), by, reason, before };
  const amended = [...(release.amended ?? []), entry];
  const after: Release = { ...release, rollbackTo, minimumFrom, notes, amended };
  const bytes = formatRelease(after);
  const { auditHead, ...plan } = await readManifest(repository, state);
  const { rollouts } = plan;
  const ref = releaseRefOf(after);
  const known = rolloutsThatKnow(rollouts, ref);
  const areRepeated = known.length > 0 && changes.some(({ field }) => field !== 'notes');
  const roles = new Map([[releasesRole(release), { replace: [{ name: target, bytes }] }]]);
  if (areRepeated) {
    const published = publishedReleases(state).map(({ version }) => version);
    const amendedPlan = { ...plan, rollouts: withReleaseRef(rollouts, ref) };
    const manifest = compileManifest(amendedPlan, { published, now, auditHead });
    roles.set(ROLLOUTS_ROLE, {
      replace: [{ name: MANIFEST_TARGET, bytes: new TextEncoder().encode(manifest) }],
    });
  }
  return {
    edit: { roles },
    changes,
    document: { target, before, after: contentOf(bytes).hashes.sha256 },
    rollouts: areRepeated ? known.map(({ id }) => id) : [],
    warnings: [
      ...(await deadEnds(repository, state, after)),
      ...strandedBy(after, currentRollouts(rollouts, after)),
    ],
  };
}

/** Releases named as a way back that nobody can take. */
async function deadEnds(
  repository: Repository,
  state: RepositoryState,
  { variant, arch, rollbackTo }: Release,
): Promise<readonly string[]> {
  const warnings = [];
  for (const version of rollbackTo) {
    const target = releaseDocumentTarget({ variant, arch, version });
    if (findTarget(state, target) === null) {
      warnings.push(`rollbackTo names ${version}, which is not published`);
      continue;
    }
    const { withdrawn } = await readRelease(repository, state, { variant, arch, version });
    if (withdrawn !== undefined) warnings.push(`rollbackTo names ${version}, which was withdrawn`);
  }
  return warnings;
}

/** Hosts that are being sent back on a way that the new terms close. */
function strandedBy(
  { version, rollbackTo }: Release,
  current: readonly Rollout[],
): readonly string[] {
  return current.flatMap(({ id, release, sentBackTo }) =>
    release.version === version && sentBackTo !== null && !rollbackTo.includes(sentBackTo.version)
      ? [
          `rollout ${id} sends hosts back to ${sentBackTo.version}, which their release does not permit any more: they stay`,
        ]
      : [],
  );
}
