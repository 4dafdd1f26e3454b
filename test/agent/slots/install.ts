import type { Slots } from '../../../agent/slots/slots.ts';
import type { SampleRelease } from './releases.ts';

const CHUNK_BYTES = 16 * 1024;

/** Clears, writes and seals, as an installation does; `step` hears of every operation that is done. */
export async function fillInactive(
  slots: Slots,
  { images, document }: SampleRelease,
  step: (name: string) => void = () => {},
): Promise<void> {
  await slots.clearInactive();
  step('cleared');
  for (const [name, bytes] of Object.entries(images)) {
    const writer = await slots.writeImage(name, bytes.length);
    step(`opened ${name}`);
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
      await writer.write(bytes.subarray(at, at + CHUNK_BYTES));
      step(`wrote ${name} to ${at}`);
    }
    await writer.finish();
    step(`finished ${name}`);
  }
  await slots.sealInactive(document);
  step('sealed');
}

export async function install(
  slots: Slots,
  release: SampleRelease,
  step: (name: string) => void = () => {},
): Promise<void> {
  await fillInactive(slots, release, step);
  await slots.activate(release.version);
  step('activated');
}
