import { listReleases, readRelease } from '../adapters/repository/releases.ts';
import type { ReleaseFilter } from '../adapters/repository/releases.ts';
import type { Repository, RepositoryState } from '../adapters/repository/repository.ts';
import { notPublished, readRollouts } from '../adapters/repository/rollouts.ts';
import type { Release } from '../core/release.ts';
import { viewOfRelease } from '../core/release-view.ts';
import type { ReleaseView } from '../core/release-view.ts';
import type { Rollout } from '../core/rollout.ts';

/** Every published release that fits the filter, by variant, arch and version. */
export async function readReleases(
  repository: Repository,
  filter: ReleaseFilter,
  now: Date,
): Promise<readonly ReleaseView[]> {
  const state = await repository.load();
  const rollouts = await readRollouts(repository, state);
  return Promise.all(
    listReleases(state, filter).map(async (name) => {
      const release = await readRelease(repository, state, name);
      return listedRelease(state, { release, rollouts, now });
    }),
  );
}

/** As `viewOfRelease` of core. Throws PublishedError for a release that is not listed. */
export function listedRelease(
  state: RepositoryState,
  facts: { readonly release: Release; readonly rollouts: readonly Rollout[]; readonly now: Date },
): ReleaseView {
  const view = viewOfRelease(state, facts);
  if (view === null) throw notPublished(state, facts.release);
  return view;
}
