import type { Release } from '../../core/release.ts';
import type { ImageSizes } from './space.ts';

/** A slot that was written whole and verified: it may be activated. */
export type SealedSlot = {
  readonly release: Release;
  /** The signed document, byte for byte. */
  readonly document: Uint8Array;
};

export type SlotsState = {
  /** Null on a host that never had a release. */
  readonly active: SealedSlot | null;
  /** Null if the inactive slot is empty, half written or visibly damaged. */
  readonly inactive: SealedSlot | null;
  /** The slot that the next boot takes if it can. */
  readonly nextToBoot: 'active' | 'inactive';
  /** Whether the boot loader tried the inactive slot as often as it was allowed to, in vain. */
  readonly isTriedInVain: boolean;
  /** Whether the boot loader was not told yet that the active slot is good; never where no boot loader chooses. */
  readonly isOnTrial: boolean;
};

/** Writes one image. After a failed call only `restart` and `abandon` make sense. */
export type ImageWriter = {
  write(chunk: Uint8Array): Promise<void>;
  /** Forgets what was written; the next chunk is the image's first. */
  restart(): Promise<void>;
  /** Makes the image durable. Throws `agent/image` unless exactly the announced number of bytes was written. */
  finish(): Promise<void>;
  /** Gives up; what was written is never used. Never fails. */
  abandon(): Promise<void>;
};

/**
 * A host's two image sets. Only the inactive one is ever written, and only a sealed one can become active, in one atomic
 * step: clear, write every image, seal, activate. Between any two calls, and in the middle of each, the power may fail: the
 * active slot stays whole. One process at a time; the agent's lock sees to that. All failures are AgentErrors:
 * `agent/full`, `agent/disk`, and `agent/slots` for a call that the state of the slots does not allow.
 */
export interface Slots {
  /** Whether a host runs a slot that was activated only after its next boot. */
  readonly needsReboot: boolean;
  /**
   * Cheap: reads seals, documents and file sizes, but no image. Throws `agent/slots` if the active slot is not sealed or the
   * pointer to it is damaged, because then nobody knows what this host runs.
   */
  read(): Promise<SlotsState>;
  /** Bytes that images may take, counting those that `clearInactive` would free. */
  roomForImages(): Promise<number>;
  /**
   * Why images of these sizes do not fit into the inactive slot as `clearInactive` would leave it, each into its own place and
   * all of them together; null if they do.
   */
  spaceRefusal(sizes: ImageSizes): Promise<string | null>;
  /** Takes the seal off the inactive slot, durably, and then empties it. */
  clearInactive(): Promise<void>;
  /**
   * An image of the cleared inactive slot, from its first byte. Throws `agent/full` if the disk has less than `size` bytes
   * free, `agent/slots` if the slot is still sealed.
   */
  writeImage(name: string, size: number): Promise<ImageWriter>;
  /** An image of the inactive slot, opened anew and read again. */
  readImage(name: string): AsyncIterable<Uint8Array>;
  /**
   * Reads every image of the document back, compares it as `verifyRelease` does, dm-verity's root hash included, and marks
   * the slot whole as the very last step. Throws `agent/image` and leaves the slot unsealed if any differs, is missing or is
   * too many.
   */
  sealInactive(document: Uint8Array): Promise<void>;
  /** Compares every image of the sealed inactive slot with its document again: `agent/image` if one was damaged since. */
  verifyInactive(): Promise<SealedSlot>;
  /**
   * Makes the inactive slot the active one, atomically and durably: at once, or at the next boot. Throws `agent/slots` unless it is sealed with this
   * version; reads no image, so whoever flips to a slot sealed earlier calls `verifyInactive` before.
   */
  activate(version: string): Promise<void>;
  /**
   * Takes an activation back, atomically and durably: the slot with this version, which ran before, is the next to boot, or is
   * active again. Does nothing if it is so already. Throws `agent/slots` if no slot holds it.
   */
  deactivate(version: string): Promise<void>;
  /** The active slot is proven to be good: from now on it boots without being on trial. */
  markGood(): Promise<void>;
}
