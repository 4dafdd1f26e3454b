import { createHash } from 'node:crypto';
import type { Repository, RepositoryState } from '../../adapters/repository/repository.ts';
import { targetObject } from '../../adapters/repository/objects.ts';
import { commitVerbs, findRelease } from '../../adapters/repository/rollouts.ts';
import { countSigners } from '../../adapters/repository/sign.ts';
import type { Signer } from '../../adapters/signing/signer.ts';
import { ExpectedError } from '../../core/errors.ts';
import type { SourceTarget } from '../../core/import/listing.ts';
import type { PlannedRelease } from '../../core/import/plan.ts';
import { formatRelease, parseRelease } from '../../core/release.ts';
import type { Release } from '../../core/release.ts';
import type { Rollout } from '../../core/rollout.ts';
import { platformOfRole, releaseDocumentTarget, releasesRole } from '../../core/tuf/names.ts';
import type { Platform } from '../../core/tuf/names.ts';
import { findTarget, trustIn } from '../../core/tuf/repository-metadata.ts';
import type { Verb } from '../../core/verb.ts';

export class DestinationError extends ExpectedError<
  /** Nobody may sign releases of this variant and arch there, or none of the given keys may. */
  | 'import/role'
  /** The destination holds the version with other bytes. */
  | 'import/other-bytes'
> {}

export type Author = { readonly now: Date; readonly by: string; readonly reason: string };

/** The one place where an import reads and writes the repository that it fills. */
export class Destination {
  readonly #repository: Repository;
  readonly #signers: readonly Signer[];
  #state: RepositoryState;

  private constructor(repository: Repository, signers: readonly Signer[], state: RepositoryState) {
    this.#repository = repository;
    this.#signers = signers;
    this.#state = state;
  }

  /** Without signers it can only be looked at. */
  static async open(repository: Repository, signers: readonly Signer[]): Promise<Destination> {
    return new Destination(repository, signers, await repository.load());
  }

  /** The variants and archs whose releases somebody may sign. */
  platforms(): readonly Platform[] {
    return [...this.#state.delegated.keys()].flatMap((role) => platformOfRole(role) ?? []);
  }

  /** Before gigabytes are copied: may releases of this platform be signed, and by these keys? */
  requireRole(platform: Platform, { isDryRun }: { readonly isDryRun: boolean }): void {
    const role = releasesRole(platform);
    const trust = trustIn(this.#state, role);
    if (trust === null) {
      throw new DestinationError('import/role', `the destination delegates no role ${role}`, {
        hints: [
          `tidegate repo delegate add with variant ${platform.variant} and arch ${platform.arch} makes it`,
        ],
      });
    }
    if (!isDryRun && countSigners(trust, this.#signers) === 0) {
      throw new DestinationError('import/role', `none of the given keys may sign role ${role}`, {
        hints: [`its keys are ${trust.keyids.join(', ')}`],
      });
    }
  }

  /**
   * The document of a release that is there already, or null. Throws `import/other-bytes` if it, or any target of the
   * planned release, is there with other bytes.
   */
  async published(planned: PlannedRelease): Promise<Release | null> {
    const files = [...planned.images, ...planned.migrations];
    const other = files.find(({ target, source }) => {
      const found = findTarget(this.#state, target);
      return found !== null && found.hashes.sha256 !== source.sha256;
    });
    if (other !== undefined) throw otherBytes(planned, other.target);
    const document = releaseDocumentTarget(planned);
    if (findTarget(this.#state, document) === null) return null;
    const release = parseRelease(await this.#repository.readTarget(this.#state, document));
    const strange = planned.images.find(
      ({ image, target }) => release.images[image]?.target !== target,
    );
    const isComplete = Object.keys(release.images).length === planned.images.length;
    if (strange !== undefined || !isComplete) throw otherBytes(planned, document);
    return release;
  }

  /** Stores a file under its hash; `open` is not called if it is there. */
  async store(
    name: string,
    { length, sha256 }: SourceTarget,
    open: () => AsyncIterable<Uint8Array>,
  ): Promise<'uploaded' | 'already-there'> {
    return this.#repository.uploadTarget({ name, size: length, sha256, open });
  }

  /** A file that `store` found there, not verified. */
  async readStored(name: string, sha256: string): Promise<AsyncIterable<Uint8Array>> {
    return (await this.#repository.storage.get(targetObject(name, sha256))).body;
  }

  /** Commits a release whose files are stored. */
  async commitRelease(release: Release, planned: PlannedRelease): Promise<void> {
    const add = [...planned.images, ...planned.migrations].map(({ target, source }) => ({
      name: target,
      length: source.length,
      sha256: source.sha256,
    }));
    const addFiles = [{ name: releaseDocumentTarget(release), bytes: formatRelease(release) }];
    const edit = { add: unique(add), addFiles };
    this.#state = await this.#repository.commit({
      signers: this.#signers,
      edit: () => ({ roles: new Map([[releasesRole(release), edit]]) }),
    });
  }

  /**
   * Starts the rollouts of these releases in one commit: with only some of them `max_version` would be too low. The
   * rollouts in force afterwards, and the versions that had another one before.
   */
  async startRollouts(
    releases: readonly PlannedRelease[],
    { now, by, reason }: Author,
  ): Promise<{ readonly rollouts: readonly Rollout[]; readonly kept: readonly string[] }> {
    const verbs: Verb[] = [];
    for (const planned of releases) {
      if (planned.rollout === null) continue;
      const { policy, startAt } = planned.rollout;
      const id = importId(planned);
      const release = await findRelease(this.#repository, this.#state, planned);
      const origin = { id: `import-${id}`, rolloutId: id, at: now, by, reason };
      verbs.push({ ...origin, kind: 'start', release, policy, startAt, seeds: 'stable' });
    }
    if (verbs.length === 0) return { rollouts: [], kept: [] };
    const { state, rollouts, rejected } = await commitVerbs(this.#repository, {
      signers: this.#signers,
      verbs,
      now,
    });
    this.#state = state;
    const kept = rejected.flatMap(({ verb }) =>
      verb.kind === 'start' ? [verb.release.version] : [],
    );
    return { rollouts, kept };
  }
}

/** The same for the same release, so that a second import starts nothing anew. */
export function importId({ variant, arch, version }: Platform & { readonly version: string }) {
  const text = `tidegate/import/1\n${variant}\n${arch}\n${version}`;
  const number = createHash('sha256').update(text).digest().readBigUInt64BE(0);
  return number.toString(36).padStart(13, '0').slice(-10);
}

function otherBytes(release: PlannedRelease, name: string): DestinationError {
  const { variant, arch, version } = release;
  return new DestinationError(
    'import/other-bytes',
    `the destination holds ${variant} ${arch} ${version} with another ${name} than the source`,
    { hints: ['leave the version out with --version, or give it another name with --map-version'] },
  );
}

/** Two migrations of one name are one target. */
function unique<T extends { readonly name: string }>(files: readonly T[]): readonly T[] {
  return [...new Map(files.map((file) => [file.name, file])).values()];
}
