import { readdir, readlink, rename, rm, statfs, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureFolder, syncFolder } from '../../adapters/storage/durable-folder.ts';
import { errnoOf } from '../../adapters/storage/file-errors.ts';
import type { Release } from '../../core/release.ts';
import { isImageName } from '../../core/tuf/names.ts';
import { onDisk } from '../on-disk.ts';
import { AgentError } from '../errors.ts';
import { openImageFile, readImageFile } from './image-file.ts';
import { readPastCache } from './read-past-cache.ts';
import { parseDocument, readSeal, SEAL, sizeOfFile, writeSeal } from './seal.ts';
import type { ImageWriter, SealedSlot, Slots, SlotsState } from './slots.ts';
import { roomRefusal } from './space.ts';
import type { ImageSizes } from './space.ts';
import { verifyRelease } from './verify-release.ts';

const NAMES = ['a', 'b'] as const;
type SlotName = (typeof NAMES)[number];

const ACTIVE = 'active';

/**
 * Slots as two folders `a` and `b` under `folder`, and a symbolic link `active` to one of them. A folder holds each image as
 * a raw file under the image's name, `release.json`, and once it is whole `sealed.json`.
 */
export function directorySlots(folder: string): Slots {
  return new DirectorySlots(folder);
}

class DirectorySlots implements Slots {
  /** Whoever uses the slots follows the link. */
  readonly needsReboot = false;
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async read(): Promise<SlotsState> {
    const name = await this.#activeName();
    const active = name === null ? null : await readSeal(join(this.#folder, name));
    if (name !== null && active === null) {
      throw new AgentError(
        'agent/slots',
        `the active slot ${join(this.#folder, name)} is not sealed or damaged`,
      );
    }
    const inactive = await readSeal(await this.#inactive());
    return { active, inactive, nextToBoot: 'active', isTriedInVain: false, isOnTrial: false };
  }

  async roomForImages(): Promise<number> {
    const inactive = await this.#inactive();
    const sizes = (await this.#filesOf(inactive)).map((file) => sizeOfFile(join(inactive, file)));
    const used = (await Promise.all(sizes)).reduce<number>((sum, size) => sum + (size ?? 0), 0);
    return (await this.#freeBytes()) + used;
  }

  async spaceRefusal(sizes: ImageSizes): Promise<string | null> {
    return roomRefusal(sizes, await this.roomForImages());
  }

  async clearInactive(): Promise<void> {
    const inactive = await this.#inactive();
    await onDisk(`clearing ${inactive}`, async () => {
      await ensureFolder(inactive, new Set());
      // The seal goes first and durably, so that a half-emptied slot is never taken for a whole one.
      await rm(join(inactive, SEAL), { force: true });
      await syncFolder(inactive);
      for (const entry of await readdir(inactive)) {
        await rm(join(inactive, entry), { recursive: true, force: true });
      }
      await syncFolder(inactive);
    });
  }

  async writeImage(name: string, size: number): Promise<ImageWriter> {
    const inactive = await this.#unsealed();
    checkName(name);
    const free = await this.#freeBytes();
    if (free < size) {
      throw new AgentError('agent/full', `image ${name} needs ${size} bytes, free are ${free}`);
    }
    return openImageFile(join(inactive, name), size);
  }

  async *readImage(name: string): AsyncGenerator<Uint8Array> {
    checkName(name);
    yield* readImageFile(join(await this.#inactive(), name));
  }

  async sealInactive(document: Uint8Array): Promise<void> {
    const inactive = await this.#unsealed();
    const release = parseDocument(document);
    await this.#verify(inactive, release);
    const extra = (await this.#filesOf(inactive)).find(
      (file) => isImageName(file) && !Object.hasOwn(release.images, file),
    );
    if (extra !== undefined) {
      throw new AgentError('agent/image', `image ${extra} is no part of ${release.version}`);
    }
    await onDisk(`sealing ${inactive}`, () => writeSeal(inactive, document));
  }

  async verifyInactive(): Promise<SealedSlot> {
    const inactive = await this.#inactive();
    const sealed = await readSeal(inactive);
    if (sealed === null) throw new AgentError('agent/slots', `${inactive} is not sealed`);
    await this.#verify(inactive, sealed.release);
    return sealed;
  }

  async activate(version: string): Promise<void> {
    const name = (await this.#activeName()) === 'a' ? 'b' : 'a';
    const held = (await readSeal(join(this.#folder, name)))?.release.version;
    if (held !== version) {
      throw new AgentError(
        'agent/slots',
        `the inactive slot must be sealed with ${version}, got ${held ?? 'no seal'}`,
      );
    }
    const link = join(this.#folder, ACTIVE);
    await onDisk(`pointing ${link} to ${name}`, async () => {
      const temporary = `${link}.tmp`;
      await rm(temporary, { force: true });
      await symlink(name, temporary);
      await rename(temporary, link);
      await syncFolder(this.#folder);
    });
  }

  async deactivate(version: string): Promise<void> {
    if ((await this.read()).active?.release.version !== version) await this.activate(version);
  }

  async markGood(): Promise<void> {}

  async #verify(inactive: string, release: Release): Promise<void> {
    for (const name of Object.keys(release.images)) {
      if ((await sizeOfFile(join(inactive, name))) !== null) continue;
      throw new AgentError('agent/image', `image ${name} of ${release.version} is not there`);
    }
    await verifyRelease(release, {
      // Whole to its end, so that an image that is too long is found out.
      read: (name, { offset, length } = { offset: 0, length: Infinity }) =>
        readPastCache({ path: join(inactive, name), from: offset, length }),
    });
  }

  async #activeName(): Promise<SlotName | null> {
    const link = join(this.#folder, ACTIVE);
    const target = await onDisk(`reading ${link}`, () => readlink(link).catch(foreignLink));
    if (target === null) return null;
    const name = NAMES.find((known) => known === target);
    if (name !== undefined) return name;
    // To guess here could mean to clear the slot that the host runs.
    throw new AgentError('agent/slots', `${link} must be a symbolic link to a or b`);
  }

  async #inactive(): Promise<string> {
    return join(this.#folder, (await this.#activeName()) === 'a' ? 'b' : 'a');
  }

  async #unsealed(): Promise<string> {
    const inactive = await this.#inactive();
    if ((await sizeOfFile(join(inactive, SEAL))) === null) return inactive;
    throw new AgentError('agent/slots', `${inactive} is sealed and must be cleared first`);
  }

  #filesOf(slot: string): Promise<readonly string[]> {
    return onDisk(`listing ${slot}`, () => readdir(slot).catch(noneIfMissing));
  }

  #freeBytes(): Promise<number> {
    return onDisk(`measuring ${this.#folder}`, async () => {
      await ensureFolder(this.#folder, new Set());
      const { bavail, bsize } = await statfs(this.#folder);
      return bavail * bsize;
    });
  }
}

function checkName(name: string): void {
  if (!isImageName(name)) {
    throw new AgentError('agent/slots', `${JSON.stringify(name)} is no image name`);
  }
}

/** Null without a link; a file or folder of that name is no link that we made. */
function foreignLink(error: unknown): string | null {
  if (errnoOf(error) === 'ENOENT') return null;
  if (errnoOf(error) === 'EINVAL') return '';
  throw error;
}

function noneIfMissing(error: unknown): string[] {
  if (errnoOf(error) === 'ENOENT') return [];
  throw error;
}
