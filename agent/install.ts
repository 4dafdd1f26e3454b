import { isSameBuild } from '../core/release-terms.ts';
import { parseRelease } from '../core/release.ts';
import type { Release } from '../core/release.ts';
import { releaseDocumentTarget } from '../core/tuf/names.ts';
import type { Platform } from '../core/tuf/names.ts';
import type { AgentContext } from './context.ts';
import { downloadImage } from './download.ts';
import { AgentError } from './errors.ts';
import type { AgentErrorCode } from './errors.ts';
import type { Slots } from './slots/slots.ts';
import { imageSizesOf } from './slots/space.ts';
import type { VerifiedRepository } from './tuf/client.ts';
import type { OnPlaceFailed } from './tuf/places.ts';

export type FetchedRelease = { readonly release: Release; readonly document: Uint8Array };

/** The release document of this very variant, arch and version, signed by who may sign it. */
export async function fetchRelease(
  repository: VerifiedRepository,
  wanted: Platform & { readonly version: string },
): Promise<FetchedRelease> {
  const name = releaseDocumentTarget(wanted);
  const document = await repository.readTarget(name);
  const release = parseRelease(document);
  if (releaseDocumentTarget(release) !== name) {
    throw new AgentError(
      'agent/metadata',
      `${name} is the document of ${releaseDocumentTarget(release)}`,
    );
  }
  return { release, document };
}

/**
 * Brings a release into the inactive slot and seals it; returns how many bytes of images it fetched. A slot that holds
 * the very same release, sealed, is read through once more and kept: then it fetches none.
 */
export async function fillInactiveSlot(
  context: Pick<AgentContext, 'slots' | 'network' | 'signal' | 'onEvent'>,
  repository: VerifiedRepository,
  { release, document }: FetchedRelease,
): Promise<number> {
  const { slots, network, signal, onEvent } = context;
  const onPlaceFailed: OnPlaceFailed = (failure) => {
    onEvent('repository-failed', failure);
  };
  if (await isFilled(context, release)) return 0;
  // All that can be wanting is found out before the slot loses what it holds.
  const files = await findImages(repository, release);
  await requireRoom(slots, release);
  await slots.clearInactive();
  let fetched = 0;
  for (const { name, image, file } of files) {
    const onBytes = (count: number) => {
      fetched += count;
    };
    await downloadImage(slots, name, { file, image }, { network, signal, onBytes, onPlaceFailed });
  }
  await slots.sealInactive(document);
  return fetched;
}

async function findImages(repository: VerifiedRepository, release: Release) {
  const files = [];
  for (const [name, image] of Object.entries(release.images)) {
    const file = await repository.targetInfo(image.target);
    if (file === null) {
      throw new AgentError('agent/not-there', `no target ${image.target} is published`);
    }
    files.push({ name, image, file });
  }
  return files;
}

/** What is wrong with a sealed slot may be gone when it is written anew: wrong bytes, and sectors that cannot be read. */
const CURED_BY_WRITING: ReadonlySet<AgentErrorCode> = new Set<AgentErrorCode>([
  'agent/image',
  'agent/disk',
]);

async function isFilled(
  { slots, onEvent }: Pick<AgentContext, 'slots' | 'onEvent'>,
  release: Release,
): Promise<boolean> {
  const { inactive } = await slots.read();
  // On other terms it is the same release: they are read anew whenever they count.
  if (inactive === null || !isSameBuild(inactive.release, release)) return false;
  try {
    await slots.verifyInactive();
    return true;
  } catch (error) {
    if (!(error instanceof AgentError) || !CURED_BY_WRITING.has(error.code)) throw error;
    onEvent('slot-damaged', { message: error.message });
    return false;
  }
}

/** What all images of a release take, as they are written. */
export function imageBytesOf({ images }: Pick<Release, 'images'>): number {
  return Object.values(images).reduce((sum, { size }) => sum + size, 0);
}

/** Why the slots cannot take the release; null if they can. */
export async function spaceRefusal(slots: Slots, release: Release): Promise<string | null> {
  const refusal = await slots.spaceRefusal(imageSizesOf(release));
  return refusal === null ? null : `release ${release.version} does not fit: ${refusal}`;
}

async function requireRoom(slots: Slots, release: Release): Promise<void> {
  const refusal = await spaceRefusal(slots, release);
  if (refusal !== null) throw new AgentError('agent/full', refusal);
}
