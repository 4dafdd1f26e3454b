import { listReleases, readRelease } from '../adapters/repository/releases.ts';
import type { ReleaseFilter, ReleaseName } from '../adapters/repository/releases.ts';
import type { Repository } from '../adapters/repository/repository.ts';
import type { Release } from '../core/release.ts';
import { releaseJson, viewOfRelease } from '../core/release-view.ts';
import type { ReleaseJson } from '../core/release-view.ts';
import { releaseDocumentTarget } from '../core/tuf/names.ts';
import type { Platform } from '../core/tuf/names.ts';
import { findTarget } from '../core/tuf/repository-metadata.ts';
import { RequestError } from './errors.ts';
import type { Fleet, FleetView } from './fleet.ts';

export type ReleaseCatalogOptions = {
  readonly repository: Repository;
  readonly fleet: Pick<Fleet, 'view'>;
  readonly now: () => Date;
};

/** The published releases; each document is read once, since its hash says all of it. */
export class ReleaseCatalog {
  readonly #options: ReleaseCatalogOptions;
  #documents: ReadonlyMap<string, Release> = new Map();

  constructor(options: ReleaseCatalogOptions) {
    this.#options = options;
  }

  /** By variant, arch and version; withdrawn ones too. */
  async list(filter: ReleaseFilter): Promise<readonly ReleaseJson[]> {
    const { view } = this.#options.fleet;
    const names = listReleases(view.published.state, filter);
    return (await Promise.all(names.map((name) => this.#show(view, name)))).flat();
  }

  /**
   * The release to begin a new host with: the highest version of this platform that was not withdrawn, and whose rollout,
   * if it had one, nobody stopped or took back. Throws `request/not-there` if there is none.
   */
  async latest(platform: Platform): Promise<ReleaseJson> {
    const { view } = this.#options.fleet;
    for (const name of listReleases(view.published.state, platform).toReversed()) {
      const [release] = await this.#show(view, name);
      if (release !== undefined && isWanted(release)) return release;
    }
    throw new RequestError(
      'request/not-there',
      `no release of variant ${platform.variant} on arch ${platform.arch} is published and in use`,
    );
  }

  async #show(view: FleetView, name: ReleaseName): Promise<readonly ReleaseJson[]> {
    const release = await this.#read(view, name);
    const facts = { release, rollouts: view.rollouts, now: this.#options.now() };
    const shown = viewOfRelease(view.published.state, facts);
    return shown === null ? [] : [releaseJson(shown)];
  }

  async #read({ published: { state } }: FleetView, name: ReleaseName): Promise<Release> {
    const hash = findTarget(state, releaseDocumentTarget(name))?.hashes.sha256 ?? '';
    const known = this.#documents.get(hash);
    if (known !== undefined) return known;
    const release = await readRelease(this.#options.repository, state, name);
    const listed = new Set(
      listReleases(state, {}).map(
        (one) => findTarget(state, releaseDocumentTarget(one))?.hashes.sha256,
      ),
    );
    const kept = [...this.#documents].filter(([one]) => listed.has(one));
    this.#documents = new Map([...kept, [hash, release]]);
    return release;
  }
}

/** What is halted, paused or taken back must not come to hosts by another door. */
function isWanted({ withdrawn, rollout }: ReleaseJson): boolean {
  return withdrawn === null && (rollout === null || rollout.state === 'running');
}
