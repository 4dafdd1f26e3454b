import type { Release } from '../../core/release.ts';
import type { GptEntry } from '../../core/gpt/entries.ts';
import { PART_NAMES } from '../../core/gpt/sets.ts';
import type { PartName, PartitionSet } from '../../core/gpt/sets.ts';
import {
  cancelUpgrade,
  clearInactive,
  hasFailedToBoot,
  markInactiveValid,
  markSuccessfulBoot,
  rollbackToInactive,
  upgradeToInactive,
} from '../../core/gpt/signpost.ts';
import { CLEARED, nextToBoot, otherSide, willBoot } from '../../core/gpt/slot-bits.ts';
import type { Side, SlotPair } from '../../core/gpt/slot-bits.ts';
import { AgentError } from '../errors.ts';
import { changeBits, refusing, viewSlots } from './gpt-bits.ts';
import type { GptPlace, GptView } from './gpt-bits.ts';
import { findPartition, openPartition, readPartition } from './gpt-partition.ts';
import type { Partition } from './gpt-partition.ts';
import { NO_RECORD, sealedBy, SlotRecords } from './gpt-record.ts';
import { parseDocument, unknownRelease } from './seal.ts';
import type { ImageWriter, SealedSlot, Slots, SlotsState } from './slots.ts';
import { imageSizesOf, placeRefusal } from './space.ts';
import type { ImageSizes } from './space.ts';
import { readPastCache } from './read-past-cache.ts';
import { verifyRelease, wholeOf } from './verify-release.ts';

export type GptOptions = GptPlace & {
  /** How often the boot loader tries a new slot. */
  readonly tries: number;
  /** The agent's durable folder; what is known of the slots' content is kept in it. */
  readonly stateFolder: string;
};

/** What a person sees of the slots of a disk. */
export type GptStatus = GptView &
  Readonly<Record<'releases', Readonly<Record<Side, string | null>>>>;

/** A view of slots of which one is going to be written or booted. */
type Inactive = GptView & { readonly side: Side; readonly set: PartitionSet };

/**
 * Slots as two sets of GPT partitions `boot`, `root` and `hash`, of Bottlerocket's types. The boot loader takes a slot by the
 * bits of its boot partition; what is activated runs from the next boot on.
 */
export class GptSlots implements Slots {
  readonly needsReboot = true;
  readonly #options: GptOptions;
  readonly #records: SlotRecords;

  constructor(options: GptOptions) {
    this.#options = options;
    this.#records = new SlotRecords(options.stateFolder);
  }

  async read(): Promise<SlotsState> {
    const { running, sets, pair, side, set } = await this.#inactive();
    const active = running === null ? null : await this.#sealed(sets[running]);
    if (running !== null && active === null) throw unknownRelease(running);
    return {
      active,
      inactive: await this.#sealed(set),
      nextToBoot: nextToBoot(pair) === side ? 'inactive' : 'active',
      isTriedInVain: hasFailedToBoot(pair[side]),
      isOnTrial: running !== null && !pair[running].successful,
    };
  }

  /** False while nobody knows what the running slot holds: then `read` throws. */
  async isRunningKnown(): Promise<boolean> {
    const { running, sets } = await viewSlots(this.#options);
    return running === null || (await this.#sealed(sets[running])) !== null;
  }

  async status(): Promise<GptStatus> {
    const view = await viewSlots(this.#options);
    const versionOf = async (side: Side) =>
      (await this.#sealed(view.sets[side]))?.release.version ?? null;
    return { ...view, releases: { a: await versionOf('a'), b: await versionOf('b') } };
  }

  async roomForImages(): Promise<number> {
    return Object.values(placesOf(await this.#inactive())).reduce((sum, size) => sum + size, 0);
  }

  async spaceRefusal(sizes: ImageSizes): Promise<string | null> {
    return placeRefusal(sizes, placesOf(await this.#inactive()));
  }

  async clearInactive(): Promise<void> {
    const { side, set, pair: before } = await this.#inactive();
    const step = (pair: SlotPair) => clearInactive(pair, otherSide(side));
    // A refusal must come before anything is lost; the seal goes before the bits, durably, and both before any image.
    refusing(() => step(before));
    await this.#records.write(set, NO_RECORD);
    await changeBits(this.#options, { step });
  }

  async writeImage(name: string, size: number): Promise<ImageWriter> {
    const inactive = await this.#unsealed();
    const { side, set, pair } = inactive;
    if (willBoot(pair[side])) {
      throw new AgentError('agent/slots', `slot ${side} would boot and must be cleared first`);
    }
    const part = partNamed(name);
    const writer = await openPartition(await this.#partition(inactive, part), size);
    return {
      write: (chunk) => writer.write(chunk),
      restart: () => writer.restart(),
      abandon: () => writer.abandon(),
      finish: async () => {
        await writer.finish();
        const { written } = await this.#records.read(set);
        await this.#records.write(set, { written: { ...written, [part]: size }, document: null });
      },
    };
  }

  async *readImage(name: string): AsyncGenerator<Uint8Array> {
    const part = partNamed(name);
    const inactive = await this.#inactive();
    const size = (await this.#records.read(inactive.set)).written[part];
    if (size === undefined) {
      throw new AgentError('agent/slots', `slot ${inactive.side} holds no whole image ${name}`);
    }
    yield* readPartition(await this.#partition(inactive, part), size);
  }

  async sealInactive(document: Uint8Array): Promise<void> {
    const inactive = await this.#unsealed();
    const { side, set } = inactive;
    const release = parseDocument(document);
    const { written } = await this.#records.read(set);
    for (const name of PART_NAMES) {
      const expected = release.images[name]?.size;
      if (written[name] === expected) continue;
      throw new AgentError(
        'agent/image',
        `image ${name} must have ${expected ?? 'no'} bytes, got ${written[name] ?? 'none'}`,
      );
    }
    await this.#verify(inactive, release);
    await this.#records.write(set, { written, document });
    await changeBits(this.#options, {
      step: (pair) => markInactiveValid(pair, otherSide(side), this.#options.tries),
    });
  }

  async verifyInactive(): Promise<SealedSlot> {
    const inactive = await this.#inactive();
    const sealed = await this.#sealed(inactive.set);
    if (sealed === null) throw new AgentError('agent/slots', `slot ${inactive.side} is not sealed`);
    await this.#verify(inactive, sealed.release);
    return sealed;
  }

  async activate(version: string): Promise<void> {
    const { side, set, running, pair } = await this.#inactive();
    const held = (await this.#sealed(set))?.release.version;
    if (held !== version) {
      throw new AgentError(
        'agent/slots',
        `the inactive slot must be sealed with ${version}, got ${held ?? 'no seal'}`,
      );
    }
    if (running === null) {
      // As on Bottlerocket's fresh images: where there is nothing to fall back to, tries would only end in nothing.
      const first = { priority: 1, triesLeft: 0, successful: true };
      await changeBits(this.#options, { step: () => ({ ...bothCleared(), [side]: first }) });
      return;
    }
    if (nextToBoot(pair) !== side) await this.#flip(pair, running);
  }

  async deactivate(version: string): Promise<void> {
    const { running, sets, side, set, pair } = await this.#inactive();
    const versionOf = async (of: PartitionSet) => (await this.#sealed(of))?.release.version;
    if (running !== null && (await versionOf(sets[running])) === version) {
      if (nextToBoot(pair) === side || hasFailedToBoot(pair[side])) await this.cancel();
    } else if ((await versionOf(set)) === version) {
      if (nextToBoot(pair) !== side) await this.rollback();
    } else {
      throw new AgentError('agent/slots', `no slot holds ${version}`);
    }
  }

  /** Boots the slot that runs from now on without tries. */
  async markGood(): Promise<void> {
    const running = await this.#running();
    await changeBits(this.#options, {
      step: (pair) => markSuccessfulBoot(pair, running),
      hasSucceeded: true,
    });
  }

  /** Takes an activation back that no boot has followed, or lets a slot that did not come up be activated again. */
  async cancel(): Promise<void> {
    const running = await this.#running();
    await changeBits(this.#options, { step: (pair) => cancelUpgrade(pair, running) });
  }

  /** Like `activate`, but only of a slot that would boot as it is. */
  async rollback(): Promise<void> {
    const running = await this.#running();
    await changeBits(this.#options, { step: (pair) => rollbackToInactive(pair, running) });
  }

  /** After the state was lost: compares the running partitions with a signed document and remembers that they are it. */
  async adoptActive(document: Uint8Array): Promise<void> {
    const view = await viewSlots(this.#options);
    const side = await this.#running();
    const set = view.sets[side];
    const release = parseDocument(document);
    await this.#verify({ ...view, side, set }, release);
    await this.#records.write(set, { written: imageSizesOf(release), document });
  }

  async #flip(pair: SlotPair, running: Side): Promise<void> {
    const side = otherSide(running);
    if (hasFailedToBoot(pair[side])) {
      throw new AgentError('agent/slots', `slot ${side} was booted and did not come up`, {
        hints: ['to try it again, run `tidegate agent slots cancel` first'],
      });
    }
    if (willBoot(pair[side])) {
      await this.rollback();
      return;
    }
    // Two steps, each durable: whatever power is lost between them, the new slot is whole before it is preferred.
    await changeBits(this.#options, {
      step: (now) => markInactiveValid(now, running, this.#options.tries),
    });
    await changeBits(this.#options, { step: (now) => upgradeToInactive(now, running) });
  }

  async #verify(where: Inactive, release: Release): Promise<void> {
    const refusal = placeRefusal(imageSizesOf(release), placesOf(where));
    if (refusal !== null) throw new AgentError('agent/image', refusal);
    const find = (name: string) => this.#partition(where, partNamed(name));
    await verifyRelease(release, {
      async *read(name, { offset, length } = wholeOf(release, name)) {
        const { path, at } = await find(name);
        yield* readPastCache({ path, from: at + offset, length });
      },
    });
  }

  #partition({ gpt, set }: Inactive, name: PartName): Promise<Partition> {
    const { sectorSize } = gpt;
    return findPartition(this.#options.disk, { sectorSize, entry: set[name] });
  }

  async #sealed(set: PartitionSet): Promise<SealedSlot | null> {
    return sealedBy(await this.#records.read(set));
  }

  async #inactive(): Promise<Inactive> {
    const view = await viewSlots(this.#options);
    const side = view.running === null ? 'a' : otherSide(view.running);
    return { ...view, side, set: view.sets[side] };
  }

  async #unsealed(): Promise<Inactive> {
    const inactive = await this.#inactive();
    const { side, set } = inactive;
    if ((await this.#sealed(set)) === null) return inactive;
    throw new AgentError('agent/slots', `slot ${side} is sealed and must be cleared first`);
  }

  async #running(): Promise<Side> {
    const { running } = await viewSlots(this.#options);
    if (running !== null) return running;
    throw new AgentError('agent/slots', 'this host runs from neither slot');
  }
}

/** Bytes of every partition of a slot. */
function placesOf({ gpt, set }: Inactive): ImageSizes {
  const sizeOf = ({ firstLba, lastLba }: GptEntry) => (lastLba - firstLba + 1) * gpt.sectorSize;
  return Object.fromEntries(PART_NAMES.map((name) => [name, sizeOf(set[name])] as const));
}

function bothCleared(): SlotPair {
  return { a: CLEARED, b: CLEARED };
}

function partNamed(name: string): PartName {
  const part = PART_NAMES.find((known) => known === name);
  if (part !== undefined) return part;
  throw new AgentError(
    'agent/slots',
    `a slot has partitions for ${PART_NAMES.join(', ')}, got image ${JSON.stringify(name)}`,
  );
}
