import type { Repository, RepositoryState } from '../adapters/repository/repository.ts';
import { countSigners } from '../adapters/repository/sign.ts';
import type { Signer } from '../adapters/signing/signer.ts';
import { ExpectedError } from '../core/errors.ts';
import { formatInstant } from '../core/instant.ts';
import { parseProvenance, requireSubjects } from '../core/provenance.ts';
import { formatRelease, parseRelease } from '../core/release.ts';
import type { Release } from '../core/release.ts';
import {
  imageTarget,
  provenanceTarget,
  releaseDocumentTarget,
  releasesRole,
} from '../core/tuf/names.ts';
import type { Platform } from '../core/tuf/names.ts';
import { findTarget, trustIn } from '../core/tuf/repository-metadata.ts';
import { contentOf } from '../core/tuf/verify.ts';
import type { CommitRole } from './commit-role.ts';
import type { ImageSource, InspectedImage } from './images.ts';
import { hashImages, measureImages, uploadImages } from './upload-images.ts';
import type { ProgressListener } from './upload-images.ts';

export class PublishError extends ExpectedError<
  /** The version is published with other images or on other terms. */
  | 'publish/exists'
  /** Nobody may sign releases of this variant and arch, or none of the given keys may. */
  | 'publish/role'
> {}

export type PublishOrder = Platform & {
  readonly version: string;
  readonly images: readonly ImageSource[];
  readonly rollbackTo: readonly string[];
  readonly minimumFrom: string | null;
  readonly notes: string | null;
  /** Root hash of the dm-verity tree that image `hash` holds for image `root`, or null. */
  readonly verityRootHash: string | null;
  /** The bytes of an in-toto statement about the images, or null. */
  readonly provenance: Uint8Array | null;
};

export type PublishedImage = {
  readonly target: string;
  readonly length: number;
  readonly sha256: string;
};

export type Published = {
  /** False if the very same release was published before; then nothing was written. */
  readonly isNew: boolean;
  readonly release: Release;
  readonly document: string;
  readonly images: readonly PublishedImage[];
};

type PublishOptions = {
  readonly repository: Repository;
  /** Keys of the releases role; null for a dry run, which touches no key and sends nothing. */
  readonly signers: readonly Signer[] | null;
  readonly commit: CommitRole;
  readonly now: Date;
  readonly listener: ProgressListener;
};

/**
 * Checks what can be checked, uploads the images while it hashes them, and then commits the release document together
 * with the role that names it all. Whatever it throws, hosts see nothing of the release.
 */
export async function publish(order: PublishOrder, options: PublishOptions): Promise<Published> {
  const { repository, signers, listener } = options;
  const state = await repository.load();
  const document = releaseDocumentTarget(order);
  const role = releasesRole(order);
  refuseStrangers(state, role, signers);
  const statement = order.provenance === null ? null : parseProvenance(order.provenance);
  const images = await measureImages(order.images, (image) => imageTarget({ ...order, ...image }));
  // Without the hashes, so that nothing is sent for an order that contradicts itself.
  const unhashed = { size: 0, sha256: '0'.repeat(64) };
  formatRelease(
    releaseOf(
      order,
      images.map((image) => ({ ...image, raw: unhashed })),
      options.now,
    ),
  );
  const isPublished = findTarget(state, document) !== null;
  if (!isPublished) {
    const beside = statement === null ? [document] : [document, provenanceTarget(order)];
    const names = [...beside, ...images.map(({ target }) => target)];
    await refuseWhatNoBytesMend(repository, state, { role, names });
  }
  const inspected =
    isPublished || signers === null
      ? await hashImages(images, listener)
      : await uploadImages(repository.storage, images, listener);
  if (statement !== null) {
    const sha256s = inspected.map(({ image, sha256, raw }) => ({
      image,
      sha256s: [sha256, raw.sha256],
    }));
    requireSubjects(statement, sha256s);
  }
  const listed = inspected.map((image) => ({
    target: imageTarget({ ...order, ...image }),
    length: image.length,
    sha256: image.sha256,
  }));
  const bytes = formatRelease(releaseOf(order, inspected, options.now));
  const release = parseRelease(bytes);
  if (isPublished) {
    const published = parseRelease(await repository.readTarget(state, document));
    refuseOtherRelease(state, { published, release, images: listed });
    return { isNew: false, release: published, document, images: listed };
  }
  const add = listed.map(({ target, ...file }) => ({ name: target, ...file }));
  const addFiles = [
    { name: document, bytes },
    ...(order.provenance === null
      ? []
      : [{ name: provenanceTarget(order), bytes: order.provenance }]),
  ];
  await options.commit(role, { add, addFiles });
  return { isNew: true, release, document, images: listed };
}

/** Before gigabytes are hashed: may these keys sign this role at all? */
function refuseStrangers(
  state: RepositoryState,
  role: string,
  signers: readonly Signer[] | null,
): void {
  const trust = trustIn(state, role);
  if (trust === null) {
    const roles = [...state.delegated.keys()].filter((name) => name.startsWith('releases-'));
    throw new PublishError('publish/role', `the repository delegates no role ${role}`, {
      hints: [`it delegates ${roles.length === 0 ? 'no releases role' : roles.join(', ')}`],
    });
  }
  if (signers !== null && countSigners(trust, signers) === 0) {
    throw new PublishError('publish/role', `none of the given keys may sign role ${role}`, {
      hints: [`its keys are ${trust.keyids.join(', ')}`],
    });
  }
}

/** Before gigabytes are sent: what the commit refuses whatever the images hold, such as a role that is full. */
async function refuseWhatNoBytesMend(
  repository: Repository,
  state: RepositoryState,
  { role, names }: { readonly role: string; readonly names: readonly string[] },
): Promise<void> {
  const add = names
    .filter((name) => findTarget(state, name) === null)
    .map((name) => ({ name, length: 1, sha256: '0'.repeat(64) }));
  await repository.plan(() => ({ roles: new Map([[role, { add }]]) }));
}

function releaseOf(
  order: PublishOrder,
  images: readonly Pick<InspectedImage, 'image' | 'format' | 'raw'>[],
  now: Date,
): Release {
  const { variant, arch, version, minimumFrom, rollbackTo, notes, verityRootHash } = order;
  const entries = images.map(({ image, format, raw }) => {
    const target = imageTarget({ variant, arch, version, image, format });
    return [image, { target, format, ...raw }] as const;
  });
  return {
    schema: 'tidegate.release/1',
    variant,
    arch,
    version,
    images: Object.fromEntries(entries),
    verity:
      verityRootHash === null
        ? null
        : { image: 'root', hashImage: 'hash', rootHash: verityRootHash },
    minimumFrom,
    rollbackTo,
    migrations: [],
    notes,
    ...(order.provenance === null ? {} : { provenance: provenanceOf(order, order.provenance) }),
    createdAt: formatInstant(now),
  };
}

function provenanceOf(order: PublishOrder, bytes: Uint8Array): Release['provenance'] {
  const { length, hashes } = contentOf(bytes);
  return { target: provenanceTarget(order), length, sha256: hashes.sha256 };
}

/** A published version never changes: the same release again is fine, anything else is refused. */
function refuseOtherRelease(
  state: RepositoryState,
  {
    published,
    release,
    images,
  }: {
    readonly published: Release;
    readonly release: Release;
    readonly images: readonly PublishedImage[];
  },
): void {
  const { variant, arch, version } = release;
  if (published.withdrawn !== undefined) {
    throw new PublishError(
      'publish/exists',
      `${variant} ${arch} ${version} was withdrawn for good`,
      {
        hints: ['publish under a new version'],
      },
    );
  }
  const what = `${variant} ${arch} ${version} is published`;
  const changed = images.find(
    ({ target, sha256 }) => findTarget(state, target)?.hashes.sha256 !== sha256,
  );
  if (changed !== undefined) {
    throw new PublishError('publish/exists', `${what} with other bytes for ${changed.target}`, {
      hints: ['publish new bytes under a new version'],
    });
  }
  // What counts are the terms of today, however they came about.
  const terms = (of: Release) => JSON.stringify({ ...of, createdAt: '', amended: undefined });
  if (terms(published) !== terms(release)) {
    throw new PublishError('publish/exists', `${what} with other images or on other terms`, {
      hints: [
        `rollbackTo ${published.rollbackTo.join(', ') || 'none'}, minimumFrom ${published.minimumFrom ?? 'none'}`,
      ],
    });
  }
}
