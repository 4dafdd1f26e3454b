import { isImageName } from '../../core/tuf/names.ts';
import type { Release } from '../../core/release.ts';
import { AgentError } from '../errors.ts';
import { ProgramImageWriter } from './command-image-writer.ts';
import { readBytes, runOperation } from './command-program.ts';
import type { SlotsProgram } from './command-program.ts';
import { doneResult, MOST_SEAL_BYTES, stateResult } from './command-protocol.ts';
import type { ProgramSlot, ProgramState, SlotName } from './command-protocol.ts';
import { parseDocument, parseOrNull, unknownRelease } from './seal.ts';
import type { ImageWriter, SealedSlot, Slots, SlotsState } from './slots.ts';
import { placeRefusal, roomRefusal } from './space.ts';
import type { ImageSizes } from './space.ts';
import { verifyRelease, wholeOf } from './verify-release.ts';

/** What the program says, and which slot is going to be written or booted. */
type View = ProgramState & { readonly side: SlotName };

/**
 * Slots that a program of the host's owner drives, for any boot loader: `docs/slots.md` says what it must do. The program keeps
 * bytes and chooses what boots; what is verified, sealed and permitted is decided here. What is activated runs from the next
 * boot on.
 */
export class CommandSlots implements Slots {
  readonly needsReboot = true;
  readonly #program: SlotsProgram;

  constructor(program: SlotsProgram) {
    this.#program = program;
  }

  async read(): Promise<SlotsState> {
    const { running, next, side, slots } = await this.#view();
    const active = running === null ? null : sealedBy(slots[running]);
    if (running !== null && active === null) throw unknownRelease(running);
    return {
      active,
      inactive: sealedBy(slots[side]),
      nextToBoot: next === side ? 'inactive' : 'active',
      isTriedInVain: slots[side].failed,
      isOnTrial: running !== null && !slots[running].good,
    };
  }

  /** False while nobody knows what the running slot holds: then `read` throws. */
  async isRunningKnown(): Promise<boolean> {
    const { running, slots } = await this.#view();
    return running === null || sealedBy(slots[running]) !== null;
  }

  async roomForImages(): Promise<number> {
    const { side, slots } = await this.#view();
    return slots[side].room;
  }

  async spaceRefusal(sizes: ImageSizes): Promise<string | null> {
    const { side, slots } = await this.#view();
    const { room, places } = slots[side];
    return (places === undefined ? null : placeRefusal(sizes, places)) ?? roomRefusal(sizes, room);
  }

  async clearInactive(): Promise<void> {
    const { side, running, slots } = await this.#view();
    if (running !== null && !slots[running].good && sealedBy(slots[side]) !== null) {
      throw new AgentError(
        'agent/slots',
        `slot ${running} must be found good before slot ${side}, to which the host falls back, is cleared`,
      );
    }
    await this.#run('clear', side);
  }

  async writeImage(name: string, size: number): Promise<ImageWriter> {
    const { side, slots } = await this.#unsealed();
    checkName(name);
    const others = Object.entries(slots[side].images).filter(([image]) => image !== name);
    const free = others.reduce((room, [, taken]) => room - taken, slots[side].room);
    if (free < size) {
      throw new AgentError('agent/full', `image ${name} needs ${size} bytes, free are ${free}`);
    }
    return new ProgramImageWriter(this.#program, { slot: side, image: name, size });
  }

  async *readImage(name: string): AsyncGenerator<Uint8Array> {
    checkName(name);
    const { side, slots } = await this.#view();
    const size = slots[side].images[name];
    if (size === undefined) {
      throw new AgentError('agent/slots', `slot ${side} holds no whole image ${name}`);
    }
    yield* this.#read(side, name, { offset: 0, length: size });
  }

  async sealInactive(document: Uint8Array): Promise<void> {
    const { side, slots } = await this.#unsealed();
    await this.#verifyAndSeal(side, document, slots[side]);
  }

  async verifyInactive(): Promise<SealedSlot> {
    const { side, slots } = await this.#view();
    const sealed = sealedBy(slots[side]);
    if (sealed === null) throw new AgentError('agent/slots', `slot ${side} is not sealed`);
    await this.#verify(side, sealed.release);
    return sealed;
  }

  async activate(version: string): Promise<void> {
    const { running, next, side, slots } = await this.#view();
    const held = sealedBy(slots[side])?.release.version;
    if (held !== version) {
      throw new AgentError(
        'agent/slots',
        `the inactive slot must be sealed with ${version}, got ${held ?? 'no seal'}`,
      );
    }
    if (next === side) return;
    // Where there is nothing to fall back to, a trial would only end in nothing.
    await this.#activate(side, slots[side], running !== null);
  }

  async deactivate(version: string): Promise<void> {
    const { running, next, side, slots } = await this.#view();
    const versionOf = (slot: SlotName) => sealedBy(slots[slot])?.release.version;
    if (running !== null && versionOf(running) === version) {
      if (next === running && !slots[side].failed) return;
      await this.#activate(running, slots[running], true);
    } else if (versionOf(side) === version) {
      if (next !== side) await this.#activate(side, slots[side], true);
    } else {
      throw new AgentError('agent/slots', `no slot holds ${version}`);
    }
  }

  async markGood(): Promise<void> {
    const { running } = await this.#view();
    if (running === null) {
      throw new AgentError('agent/slots', 'this host runs from neither slot');
    }
    await this.#run('mark-good', running);
  }

  /** Compares what runs, and was put there by others, with a signed document, and seals it. */
  async adoptActive(document: Uint8Array): Promise<void> {
    const { running } = await this.#view();
    if (running === null) {
      throw new AgentError('agent/slots', 'this host runs from neither slot');
    }
    await this.#verifyAndSeal(running, document, null);
  }

  /** `holds` is null where nobody but the signed document knows what images there should be. */
  async #verifyAndSeal(
    slot: SlotName,
    document: Uint8Array,
    holds: ProgramSlot | null,
  ): Promise<void> {
    const release = parseDocument(document);
    if (document.length > MOST_SEAL_BYTES) {
      throw new AgentError(
        'agent/slots',
        `a document of at most ${MOST_SEAL_BYTES} bytes can be sealed, got ${document.length}`,
      );
    }
    if (holds !== null) requireImages(release, holds);
    await this.#verify(slot, release);
    await runOperation(
      this.#program,
      { operation: 'seal', slot, size: document.length },
      { result: doneResult, input: document },
    );
  }

  async #verify(slot: SlotName, release: Release): Promise<void> {
    await verifyRelease(release, {
      read: (name, part = wholeOf(release, name)) => this.#read(slot, name, part),
    });
  }

  async *#read(
    slot: SlotName,
    image: string,
    part: { readonly offset: number; readonly length: number },
  ): AsyncGenerator<Uint8Array, void, undefined> {
    yield* readBytes(this.#program, { operation: 'read', slot, image, ...part }, doneResult);
  }

  async #activate(slot: SlotName, { good, failed }: ProgramSlot, mayFail: boolean): Promise<void> {
    if (failed) {
      throw new AgentError('agent/slots', `slot ${slot} was booted and did not come up`);
    }
    const trial = mayFail && !good;
    await runOperation(
      this.#program,
      { operation: 'activate', slot, trial },
      { result: doneResult },
    );
  }

  async #run(operation: 'clear' | 'mark-good', slot: SlotName): Promise<void> {
    await runOperation(this.#program, { operation, slot }, { result: doneResult });
  }

  async #view(): Promise<View> {
    const state = await runOperation(
      this.#program,
      { operation: 'state' },
      { result: stateResult },
    );
    const { running, next } = state;
    if (running === null && next !== null) {
      throw new AgentError(
        'agent/slots',
        `this host runs from neither slot, but boots slot ${next}: nobody can tell which may be written`,
        { hints: [`reboot into slot ${next}`] },
      );
    }
    return { ...state, side: running === 'a' ? 'b' : 'a' };
  }

  async #unsealed(): Promise<View> {
    const view = await this.#view();
    if (view.slots[view.side].seal === null) return view;
    throw new AgentError('agent/slots', `slot ${view.side} is sealed and must be cleared first`);
  }
}

/** What a slot is sealed with; null if its seal is no document, or its images are not those of it. */
function sealedBy({ seal, images }: ProgramSlot): SealedSlot | null {
  if (seal === null) return null;
  const document = Buffer.from(seal, 'base64');
  const release = parseOrNull(document);
  return release !== null && imageThatDiffers(release, images) === null
    ? { release, document }
    : null;
}

function requireImages(release: Release, { images }: ProgramSlot): void {
  const name = imageThatDiffers(release, images);
  if (name === null) return;
  throw new AgentError(
    'agent/image',
    `image ${name} must have ${release.images[name]?.size ?? 'no'} bytes, got ${images[name] ?? 'none'}`,
  );
}

/** The first image that is missing, too many or of another size. */
function imageThatDiffers(release: Release, images: ProgramSlot['images']): string | null {
  const names = [...Object.keys(release.images), ...Object.keys(images)];
  return names.find((name) => release.images[name]?.size !== images[name]) ?? null;
}

function checkName(name: string): void {
  if (!isImageName(name)) {
    throw new AgentError('agent/slots', `${JSON.stringify(name)} is no image name`);
  }
}
