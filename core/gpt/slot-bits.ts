/** What the boot loader knows of a slot: bits 48 to 56 of the attributes of its boot partition. */
export type SlotBits = {
  /** 0 to 15; the higher one is booted, 0 never. */
  readonly priority: number;
  /** 0 to 15; each boot takes one. */
  readonly triesLeft: number;
  /** It booted and was found good: it needs no tries any more. */
  readonly successful: boolean;
};

/** The bits of both slots. */
export type SlotPair = { readonly a: SlotBits; readonly b: SlotBits };
export type Side = keyof SlotPair;

export const CLEARED: SlotBits = { priority: 0, triesLeft: 0, successful: false };
export const MOST_TRIES = 15;

const PRIORITY_AT = 48n;
const TRIES_AT = 52n;
const FOUR_BITS = 15n;
const SUCCESSFUL = 1n << 56n;
/** On Bottlerocket's private partition: a boot of this disk has succeeded at least once. */
const EVER_SUCCEEDED = 1n << 57n;
const SLOT_MASK = (FOUR_BITS << PRIORITY_AT) | (FOUR_BITS << TRIES_AT) | SUCCESSFUL;

export function readBits(attributes: bigint): SlotBits {
  return {
    priority: Number((attributes >> PRIORITY_AT) & FOUR_BITS),
    triesLeft: Number((attributes >> TRIES_AT) & FOUR_BITS),
    successful: (attributes & SUCCESSFUL) !== 0n,
  };
}

/** The attributes with these bits, and all others as they were. Throws a RangeError for numbers above 15. */
export function writeBits(attributes: bigint, bits: SlotBits): bigint {
  return (
    (attributes & ~SLOT_MASK) |
    (fourBits(bits.priority) << PRIORITY_AT) |
    (fourBits(bits.triesLeft) << TRIES_AT) |
    (bits.successful ? SUCCESSFUL : 0n)
  );
}

export function hasEverSucceeded(attributes: bigint): boolean {
  return (attributes & EVER_SUCCEEDED) !== 0n;
}

export function withEverSucceeded(attributes: bigint): bigint {
  return attributes | EVER_SUCCEEDED;
}

/** As signpost says it; `nextToBoot` is what the boot loader does. */
export function willBoot({ priority, triesLeft, successful }: SlotBits): boolean {
  return (priority > 0 && triesLeft > 0) || successful;
}

/** What GRUB's gptprio.next takes: the highest priority above 0 with tries or success, of two equal ones the first. */
export function nextToBoot({ a, b }: SlotPair): Side | null {
  if (!isBootable(a)) return isBootable(b) ? 'b' : null;
  return isBootable(b) && b.priority > a.priority ? 'b' : 'a';
}

/** The bits as the boot loader leaves them when it boots that slot. */
export function afterBootOf(pair: SlotPair, side: Side): SlotPair {
  const bits = pair[side];
  return { ...pair, [side]: { ...bits, triesLeft: Math.max(0, bits.triesLeft - 1) } };
}

/** Whether a slot boots however often it is tried: what a host can fall back to. */
export function hasLastingSlot({ a, b }: SlotPair): boolean {
  return isLasting(a) || isLasting(b);
}

export function otherSide(side: Side): Side {
  return side === 'a' ? 'b' : 'a';
}

function isBootable({ priority, triesLeft, successful }: SlotBits): boolean {
  return priority > 0 && (triesLeft > 0 || successful);
}

function isLasting({ priority, successful }: SlotBits): boolean {
  return priority > 0 && successful;
}

function fourBits(value: number): bigint {
  if (!Number.isInteger(value) || value < 0 || value > MOST_TRIES) {
    throw new RangeError(`priority and tries are 0 to 15, got ${value}`);
  }
  return BigInt(value);
}
