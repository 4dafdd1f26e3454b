import { createHash } from 'node:crypto';
import type { ProgramSlot, SlotName } from '../command-protocol.ts';
import type { Subject } from './check.ts';
import { must } from './errors.ts';

/** Not a whole number of any block. */
const IMAGE_BYTES = 300_001;

/** The same bytes for the same label, and no pattern that a program could get right by chance. */
export function sampleBytes(label: string, size: number): Buffer {
  return createHash('shake256', { outputLength: Math.max(1, size) })
    .update(label)
    .digest()
    .subarray(0, size);
}

/** Every byte value is in it, so that a program that takes it for text is found out. */
export const SEAL = Buffer.from([
  ...Buffer.from('{"a document":"of two\nlines"}\r\n\n'),
  ...Array.from({ length: 256 }, (_, byte) => byte),
  ...Buffer.from('\n\n'),
]);

export function imagesOf({ images: [first, second] }: Subject): ReadonlyMap<string, Buffer> {
  return new Map([
    [first, sampleBytes(first, IMAGE_BYTES)],
    [second, sampleBytes(second, IMAGE_BYTES >> 1)],
  ]);
}

export async function slotOf({ probe, slot }: Subject): Promise<ProgramSlot> {
  return (await probe.state()).slots[slot];
}

/** The slot that a host would fall back to. */
export function otherOf({ slot }: Subject): SlotName {
  return slot === 'a' ? 'b' : 'a';
}

/** What boots is the running slot, if there is one; the tested slot is empty. */
export async function empty({ probe, slot, running }: Subject): Promise<void> {
  if (running !== null) {
    const { good } = (await probe.state()).slots[running];
    await probe.done({ operation: 'activate', slot: running, trial: !good });
  }
  await probe.done({ operation: 'clear', slot });
}

/** Empty but for two images. */
export async function filled(subject: Subject, slot = subject.slot): Promise<void> {
  await empty({ ...subject, slot });
  for (const [image, bytes] of imagesOf(subject)) {
    await subject.probe.done({ operation: 'write', slot, image, size: bytes.length }, bytes);
  }
}

/** Filled and sealed. */
export async function sealed(subject: Subject, slot = subject.slot): Promise<void> {
  await filled(subject, slot);
  await subject.probe.done({ operation: 'seal', slot, size: SEAL.length }, SEAL);
}

/** Sealed, and the next to boot, on trial. Where neither slot runs the other one is there to go back to. */
export async function activated(subject: Subject): Promise<void> {
  const { probe, slot, running } = subject;
  if (running === null) {
    const other = otherOf(subject);
    await sealed(subject, other);
    await probe.done({ operation: 'activate', slot: other, trial: false });
  }
  await sealed(subject);
  await probe.done({ operation: 'activate', slot, trial: true });
}

/** The slot still holds what `filled` wrote, byte for byte. */
export async function mustHoldImages(subject: Subject): Promise<void> {
  const { probe, slot } = subject;
  const held = (await slotOf(subject)).images;
  const wanted = imagesOf(subject);
  const sizes = Object.fromEntries([...wanted].map(([image, { length }]) => [image, length]));
  must(isSame(held, sizes), `images must be ${JSON.stringify(sizes)}, got ${JSON.stringify(held)}`);
  for (const [image, bytes] of wanted) {
    const read = await probe.read(slot, image, { offset: 0, length: bytes.length });
    must(read.equals(bytes), `image ${image} was read back with other bytes than were written`);
  }
}

export function mustBeSealed({ seal }: ProgramSlot): void {
  must(seal !== null, 'the slot must be sealed, got no seal');
  const got = Buffer.from(seal ?? '', 'base64');
  must(
    got.equals(SEAL),
    `the seal must be the ${SEAL.length} bytes that were given, got ${got.length} others`,
  );
}

export function mustBeEmpty({ seal, images, good, failed }: ProgramSlot): void {
  must(
    seal === null && Object.keys(images).length === 0 && !good && !failed,
    `a cleared slot must have no seal and no images and be neither good nor failed, got ${JSON.stringify({ seal, images, good, failed })}`,
  );
}

export async function mustBootNext({ probe }: Subject, slot: SlotName | null): Promise<void> {
  const { next } = await probe.state();
  must(next === slot, `next must be ${slot}, got ${next}`);
}

/** Whether two values are the same as JSON, whatever the order of their keys. */
export function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(sorted(one)) === JSON.stringify(sorted(other));
}

function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value).map(([key, inner]) => [key, sorted(inner)] as const);
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
