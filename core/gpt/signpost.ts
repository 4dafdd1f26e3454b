import { GptError } from './errors.ts';
import { CLEARED, hasLastingSlot, otherSide, willBoot } from './slot-bits.ts';
import type { Side, SlotBits, SlotPair } from './slot-bits.ts';

/** The steps of Bottlerocket's signpost, each from the bits of both slots and the running side to new bits. */
export type SlotStep = (pair: SlotPair, running: Side) => SlotPair;

/** Tries of a new slot: with one alone, a power cut in its first boot would already be a fallback. */
export const DEFAULT_TRIES = 3;

/** Nothing boots the inactive slot any more; now it may be written. */
export function clearInactive(pair: SlotPair, running: Side): SlotPair {
  return keepFallback(pair, changed(pair, otherSide(running), CLEARED), running);
}

/** The inactive slot is written; it is still not booted, its priority is as it was. */
export function markInactiveValid(pair: SlotPair, running: Side, tries = DEFAULT_TRIES): SlotPair {
  const side = otherSide(running);
  return changed(pair, side, { ...pair[side], triesLeft: tries });
}

/** The inactive slot is booted next. Refused unless it was cleared and marked valid. */
export function upgradeToInactive(pair: SlotPair, running: Side): SlotPair {
  const side = otherSide(running);
  const { priority, triesLeft, successful } = pair[side];
  if (priority !== 0 || successful) {
    throw refused(`slot ${side} is marked for boot already or was booted before`);
  }
  if (triesLeft === 0) throw refused(`slot ${side} is not marked valid`);
  return keepFallback(pair, preferring(pair, side), running);
}

/** The running slot is booted again, and the inactive one is not. */
export function cancelUpgrade(pair: SlotPair, running: Side): SlotPair {
  const side = otherSide(running);
  const cancelled = {
    ...changed(pair, side, { ...pair[side], priority: 0 }),
    [running]: { ...pair[running], priority: 2 },
  };
  return keepFallback(pair, cancelled, running);
}

/** The inactive slot is booted next, as it was before. Refused if it would not boot. */
export function rollbackToInactive(pair: SlotPair, running: Side): SlotPair {
  const side = otherSide(running);
  if (!willBoot(pair[side])) throw refused(`slot ${side} would not boot`);
  return keepFallback(pair, preferring(pair, side), running);
}

/** The running slot was found good: it boots from now on without tries. */
export function markSuccessfulBoot(pair: SlotPair, running: Side): SlotPair {
  return changed(pair, running, { ...pair[running], triesLeft: 0, successful: true });
}

/** Whether the slot was booted until its tries were used up and was never found good. */
export function hasFailedToBoot({ priority, triesLeft, successful }: SlotBits): boolean {
  return priority > 0 && triesLeft === 0 && !successful;
}

function preferring(pair: SlotPair, side: Side): SlotPair {
  const other = otherSide(side);
  return {
    ...changed(pair, side, { ...pair[side], priority: 2 }),
    [other]: { ...pair[other], priority: 1 },
  };
}

/** Signpost does not ask this: the last slot that boots for sure may not be given away before another one is found good. */
function keepFallback(before: SlotPair, after: SlotPair, running: Side): SlotPair {
  if (!hasLastingSlot(before) || hasLastingSlot(after)) return after;
  throw new GptError(
    'gpt/refused',
    `slot ${running} runs, but was not marked good: slot ${otherSide(running)} is all that boots for sure`,
    { hints: ['mark the running slot good first: `tidegate agent slots mark-good`'] },
  );
}

function changed(pair: SlotPair, side: Side, bits: SlotBits): SlotPair {
  return { ...pair, [side]: bits };
}

function refused(message: string): GptError {
  return new GptError('gpt/refused', message);
}
