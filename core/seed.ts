import { createHash } from 'node:crypto';

/** Number of places in the queue: Bottlerocket's `MAX_SEED`. Seeds are whole numbers, 0 <= seed < 2048. */
export const SEED_COUNT = 2048;

function placeOf(text: string): number {
  // 2048 divides 2^32, so the remainder is uniform.
  return createHash('sha256').update(text).digest().readUInt32BE(0) % SEED_COUNT;
}

/** A host's stable seed when it declares none: 0..2047, the same for the same id on every machine. */
export function seedOfHost(hostId: string): number {
  return placeOf(`tidegate/seed/1\n${hostId}`);
}

/** A host's seed in one rollout with shuffled seeds: 0..2047, another order for every rollout id. */
export function seedInRollout(rolloutId: string, hostId: string): number {
  return placeOf(`tidegate/shuffled-seed/1\n${rolloutId}\n${hostId}`);
}

export function isSeed(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < SEED_COUNT;
}
