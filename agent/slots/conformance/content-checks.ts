import type { Check } from './check.ts';
import { must } from './errors.ts';
import {
  empty,
  filled,
  imagesOf,
  mustBeEmpty,
  mustBeSealed,
  mustHoldImages,
  SEAL,
  sampleBytes,
  sealed,
  slotOf,
} from './steps.ts';

const SIZES = [0, 1, 511, 4096, 65_537, 1_048_577];

/** What becomes of images and seals. */
export const CONTENT_CHECKS: readonly Check[] = [
  {
    name: 'clears',
    duty: 'clear leaves a slot without seal and images, twice as once',
    async run(subject) {
      await sealed(subject);
      for (let times = 0; times < 2; times += 1) {
        await subject.probe.done({ operation: 'clear', slot: subject.slot });
        mustBeEmpty(await slotOf(subject));
      }
    },
  },
  {
    name: 'keeps-images',
    duty: 'images of any size are listed with their sizes and read back as they were written',
    async run(subject) {
      const { probe, slot, images } = subject;
      await filled(subject);
      await mustHoldImages(subject);
      const { places } = await slotOf(subject);
      for (const [name, { length }] of imagesOf(subject)) {
        const place = places === undefined ? length : (places[name] ?? -1);
        must(place >= length, `image ${name} was written, but has no place for ${length} bytes`);
      }
      const [image] = images;
      for (const size of SIZES) {
        const bytes = sampleBytes(`${image} ${size}`, size);
        await empty(subject);
        await probe.done({ operation: 'write', slot, image, size }, bytes);
        const listed = (await slotOf(subject)).images[image];
        must(listed === size, `image ${image} must be listed with ${size} bytes, got ${listed}`);
        const read = await probe.read(slot, image, { offset: 0, length: size });
        must(read.equals(bytes), `image ${image} of ${size} bytes was read back with other bytes`);
      }
    },
  },
  {
    name: 'reads-parts',
    duty: 'read gives exactly the bytes of the part that is asked for',
    async run(subject) {
      const { probe, slot } = subject;
      await filled(subject);
      for (const [image, bytes] of imagesOf(subject)) {
        const { length: size } = bytes;
        for (const [offset, length] of [
          [0, 1],
          [1, 4096],
          [4095, 2],
          [65_536, 65_537],
          [size - 1, 1],
          [size, 0],
          [1000, 0],
        ] as const) {
          const read = await probe.read(slot, image, { offset, length });
          must(
            read.equals(bytes.subarray(offset, offset + length)),
            `image ${image} was read with other bytes at ${offset}, ${length} of them`,
          );
        }
      }
    },
  },
  {
    name: 'refuses-to-read-beyond',
    duty: 'read of bytes behind an image, or of an image that is not there, is refused',
    async run(subject) {
      const { probe, slot, images } = subject;
      await filled(subject);
      const [image] = images;
      const size = imagesOf(subject).get(image)?.length ?? 0;
      const read = { operation: 'read', slot, image } as const;
      await probe.refused({ ...read, offset: 0, length: size + 1 });
      await probe.refused({ ...read, offset: size, length: 1 });
      await empty(subject);
      await probe.refused({ ...read, offset: 0, length: 1 });
    },
  },
  {
    name: 'replaces-an-image',
    duty: 'an image that is written again, longer or shorter, is the new one',
    async run(subject) {
      const { probe, slot, images } = subject;
      const [image] = images;
      await filled(subject);
      for (const size of [400_000, 10]) {
        const bytes = sampleBytes(`another ${size}`, size);
        await probe.done({ operation: 'write', slot, image, size }, bytes);
        const listed = (await slotOf(subject)).images[image];
        must(listed === size, `image ${image} must be listed with ${size} bytes, got ${listed}`);
        const read = await probe.read(slot, image, { offset: 0, length: size });
        must(read.equals(bytes), `image ${image} was read with bytes of what it replaced`);
      }
    },
  },
  {
    name: 'refuses-a-cut-image',
    duty: 'an image whose bytes end too early is refused with image, and is not listed',
    async run(subject) {
      const { probe, slot, images } = subject;
      const [image] = images;
      await empty(subject);
      const bytes = sampleBytes('cut', 100_000);
      for (const count of [0, 1, 99_999]) {
        await probe.refused(
          { operation: 'write', slot, image, size: bytes.length },
          { code: 'image', input: bytes.subarray(0, count) },
        );
        const listed = (await slotOf(subject)).images[image];
        must(listed === undefined, `an image with ${count} of its bytes is listed with ${listed}`);
      }
    },
  },
  {
    name: 'refuses-a-cut-seal',
    duty: 'a seal whose bytes end too early is refused, and the slot stays without one',
    async run(subject) {
      const { probe, slot } = subject;
      await filled(subject);
      for (const count of [0, SEAL.length - 1]) {
        await probe.refused(
          { operation: 'seal', slot, size: SEAL.length },
          { input: SEAL.subarray(0, count) },
        );
        must((await slotOf(subject)).seal === null, `a seal of ${count} bytes counts as one`);
      }
      await mustHoldImages(subject);
    },
  },
  {
    name: 'refuses-an-image-without-room',
    duty: 'an image that is larger than the room is refused with full before a byte of it is read',
    async run(subject) {
      const { probe, slot, images } = subject;
      await empty(subject);
      for (const image of images) {
        await probe.refusedAtOnce({ operation: 'write', slot, image, size: 2 ** 49 }, 'full');
      }
      mustBeEmpty(await slotOf(subject));
    },
  },
  {
    name: 'keeps-the-seal',
    duty: 'a seal is kept byte for byte, and so are the images under it',
    async run(subject) {
      const { probe, slot } = subject;
      await sealed(subject);
      mustBeSealed(await slotOf(subject));
      await mustHoldImages(subject);
      const large = sampleBytes('seal', 100_000);
      await filled(subject);
      await probe.done({ operation: 'seal', slot, size: large.length }, large);
      const { seal } = await slotOf(subject);
      must(
        Buffer.from(seal ?? '', 'base64').equals(large),
        'a seal of 100000 bytes was not kept as it was given',
      );
    },
  },
  {
    name: 'refuses-to-write-what-is-sealed',
    duty: 'write into a sealed slot is refused with slots, and changes nothing',
    async run(subject) {
      const { probe, slot, images } = subject;
      await sealed(subject);
      for (const image of images) {
        await probe.refused(
          { operation: 'write', slot, image, size: 3 },
          { code: 'slots', input: Buffer.from('new') },
        );
      }
      mustBeSealed(await slotOf(subject));
      await mustHoldImages(subject);
    },
  },
];
