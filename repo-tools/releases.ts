import { publishedReleases } from '../adapters/repository/repository.ts';
import type { Repository, RepositoryState } from '../adapters/repository/repository.ts';
import { notPublished, readRollouts } from '../adapters/repository/rollouts.ts';
import { parseRelease } from '../core/release.ts';
import type { Release } from '../core/release.ts';
import { viewOf } from '../core/rollout-view.ts';
import { currentRollouts } from '../core/rollout.ts';
import type { Rollout } from '../core/rollout.ts';
import { releaseDocumentTarget } from '../core/tuf/names.ts';
import type { Platform } from '../core/tuf/names.ts';
import { findTarget } from '../core/tuf/repository-metadata.ts';
import { compareVersions } from '../core/version.ts';

export type ReleaseName = Platform & { readonly version: string };

type StoredFile = { readonly target: string; readonly length: number; readonly sha256: string };

/** What operators are shown of a published release. */
export type ReleaseView = {
  readonly release: Release;
  readonly document: StoredFile;
  /** As they are stored; null for a file that the document names and no role lists. */
  readonly images: Readonly<Record<string, StoredFile | null>>;
  /** The rollout that decides who gets the release; null if it never had one. */
  readonly rollout: {
    readonly id: string;
    readonly state: Rollout['state'];
    readonly phase: string;
    readonly seeds: number;
    /** Whether any host may start on it now. */
    readonly isGiven: boolean;
    /** Where hosts that run the release are sent. */
    readonly sentBackTo: string | null;
  } | null;
  /** Rollouts of other releases, rolled back, whose hosts are sent to this one. */
  readonly wayBackOf: readonly { readonly id: string; readonly version: string }[];
};

/** Every published release that fits the filter, by variant, arch and version. */
export async function readReleases(
  repository: Repository,
  filter: { readonly [K in keyof Platform]?: string | undefined },
  now: Date,
): Promise<readonly ReleaseView[]> {
  const state = await repository.load();
  const rollouts = await readRollouts(repository, state);
  const wanted = publishedReleases(state)
    .filter(({ variant }) => filter.variant === undefined || variant === filter.variant)
    .filter(({ arch }) => filter.arch === undefined || arch === filter.arch)
    .toSorted(inOrder);
  return Promise.all(
    wanted.map(async (name) => {
      const release = await readRelease(repository, state, name);
      return viewOfRelease(state, { release, rollouts, now });
    }),
  );
}

/** The signed document of a published release. Throws PublishedError. */
export async function readRelease(
  repository: Repository,
  state: RepositoryState,
  wanted: ReleaseName,
): Promise<Release> {
  const document = releaseDocumentTarget(wanted);
  if (findTarget(state, document) === null) throw notPublished(state, wanted);
  return parseRelease(await repository.readTarget(state, document));
}

export function viewOfRelease(
  state: RepositoryState,
  {
    release,
    rollouts,
    now,
  }: { readonly release: Release; readonly rollouts: readonly Rollout[]; readonly now: Date },
): ReleaseView {
  const current = currentRollouts(rollouts, release);
  const own = current.find(({ release: { version } }) => version === release.version);
  const view = own === undefined ? null : viewOf(own, now, { counts: null, failures: [] });
  const document = storedFile(state, releaseDocumentTarget(release));
  if (document === null) throw notPublished(state, release);
  return {
    release,
    document,
    images: Object.fromEntries(
      Object.entries(release.images).map(([image, { target }]) => [
        image,
        storedFile(state, target),
      ]),
    ),
    rollout:
      view === null
        ? null
        : {
            id: view.id,
            state: view.state,
            phase: view.phase,
            seeds: view.tide.seeds,
            isGiven: view.state === 'running' && view.tide.seeds > 0,
            sentBackTo: view.sentBackTo,
          },
    wayBackOf: current.flatMap(({ id, release: { version }, sentBackTo }) =>
      sentBackTo?.version === release.version ? [{ id, version }] : [],
    ),
  };
}

function storedFile(state: RepositoryState, target: string): StoredFile | null {
  const found = findTarget(state, target);
  return found === null ? null : { target, length: found.length, sha256: found.hashes.sha256 };
}

function inOrder(a: ReleaseName, b: ReleaseName): number {
  if (a.variant !== b.variant) return a.variant < b.variant ? -1 : 1;
  if (a.arch !== b.arch) return a.arch < b.arch ? -1 : 1;
  return compareVersions(a.version, b.version);
}
