import type { Repository, RepositoryState } from '../adapters/repository/repository.ts';
import type { Signer } from '../adapters/signing/signer.ts';
import { ExpectedError } from '../core/errors.ts';
import { formatInstant } from '../core/instant.ts';
import { formatRelease, parseRelease } from '../core/release.ts';
import type { Release } from '../core/release.ts';
import { imageTarget, releaseDocumentTarget, releasesRole } from '../core/tuf/names.ts';
import type { Platform } from '../core/tuf/names.ts';
import { findTarget, trustIn } from '../core/tuf/repository-metadata.ts';
import { imageLength, inspectImage, readImage } from './images.ts';
import type { ImageSource, InspectedImage } from './images.ts';

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
};

/** Told how far a long step is, so that a person can be shown it; `end` comes once for each `begin`. */
export type ProgressListener = {
  begin(label: string, totalBytes: number): { advance(bytes: number): void; end(): void };
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
  readonly signers: readonly Signer[];
  readonly now: Date;
  readonly listener: ProgressListener;
};

/**
 * Checks what can be checked, hashes the images, uploads them, and then commits the release document together with the
 * role that names it all. Whatever it throws, hosts see nothing of the release.
 */
export async function publish(order: PublishOrder, options: PublishOptions): Promise<Published> {
  const { repository, signers } = options;
  const state = await repository.load();
  const document = releaseDocumentTarget(order);
  const role = releasesRole(order);
  refuseStrangers(state, role, signers);
  const sources = await inspectAll(order, options.listener);
  const images = sources.map((source) => ({
    target: imageTarget({ ...order, ...source }),
    length: source.length,
    sha256: source.sha256,
  }));
  const release = releaseOf(order, sources, options.now);
  const bytes = formatRelease(release);
  if (findTarget(state, document) !== null) {
    const published = parseRelease(await repository.readTarget(state, document));
    refuseOtherRelease(state, { published, release, images });
    return { isNew: false, release: published, document, images };
  }
  for (const source of sources) await upload(order, source, options);
  const add = images.map(({ target, ...file }) => ({ name: target, ...file }));
  const addFiles = [{ name: document, bytes }];
  await repository.commit({
    signers,
    edit: () => ({ roles: new Map([[role, { add, addFiles }]]) }),
  });
  return { isNew: true, release, document, images };
}

/** Before gigabytes are hashed: may these keys sign this role at all? */
function refuseStrangers(state: RepositoryState, role: string, signers: readonly Signer[]): void {
  const trust = trustIn(state, role);
  if (trust === null) {
    const roles = [...state.delegated.keys()].filter((name) => name.startsWith('releases-'));
    throw new PublishError('publish/role', `the repository delegates no role ${role}`, {
      hints: [`it delegates ${roles.length === 0 ? 'no releases role' : roles.join(', ')}`],
    });
  }
  if (!signers.some(({ keyId }) => trust.keyids.includes(keyId))) {
    throw new PublishError('publish/role', `none of the given keys may sign role ${role}`, {
      hints: [`its keys are ${trust.keyids.join(', ')}`],
    });
  }
}

async function inspectAll(
  { images }: PublishOrder,
  listener: ProgressListener,
): Promise<readonly InspectedImage[]> {
  const inspected = [];
  for (const image of images) {
    const progress = listener.begin(`hash ${image.image}`, await imageLength(image));
    try {
      inspected.push(await inspectImage(image, (count) => progress.advance(count)));
    } finally {
      progress.end();
    }
  }
  return inspected;
}

function releaseOf(order: PublishOrder, images: readonly InspectedImage[], now: Date): Release {
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
    createdAt: formatInstant(now),
  };
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
  const what = `${variant} ${arch} ${version} is published`;
  const changed = images.find(
    ({ target, sha256 }) => findTarget(state, target)?.hashes.sha256 !== sha256,
  );
  if (changed !== undefined) {
    throw new PublishError('publish/exists', `${what} with other bytes for ${changed.target}`, {
      hints: ['publish new bytes under a new version'],
    });
  }
  const terms = (of: Release) => JSON.stringify({ ...of, createdAt: '' });
  if (terms(published) !== terms(release)) {
    throw new PublishError('publish/exists', `${what} with other images or on other terms`, {
      hints: [
        `rollbackTo ${published.rollbackTo.join(', ') || 'none'}, minimumFrom ${published.minimumFrom ?? 'none'}`,
      ],
    });
  }
}

async function upload(
  order: PublishOrder,
  source: InspectedImage,
  { repository, listener }: PublishOptions,
): Promise<void> {
  const progress = listener.begin(`upload ${source.image}`, source.length);
  async function* counted() {
    for await (const chunk of readImage(source)) {
      progress.advance(chunk.length);
      yield chunk;
    }
  }
  try {
    await repository.uploadTarget({
      name: imageTarget({ ...order, ...source }),
      size: source.length,
      sha256: source.sha256,
      open: counted,
    });
  } finally {
    progress.end();
  }
}
