import { describe, expect, it } from '@jest/globals';
import type { Slots } from '../../../agent/slots/slots.ts';
import { collect } from '../../support/bytes.ts';
import { codeOf } from '../error-code.ts';
import { fillInactive, install } from './install.ts';
import { sampleRelease, sampleVerityRelease } from './releases.ts';
import type { SampleRelease, VerityParts } from './releases.ts';

export type TestSlots = AsyncDisposable & {
  /** On an empty host at first; every call gives a new handle on the same slots. */
  open(): Slots;
  /** Changes one byte of an image of the inactive slot behind the back of the slots. */
  damageInactive(image: string): Promise<void>;
  /** What was activated runs at the latest after this. */
  reboot(): Promise<void>;
};

const FIRST = sampleRelease('1.0.0');
const SECOND = sampleRelease('1.1.0');

/** What every kind of slots does. */
export function describeSlotsContract(name: string, make: () => Promise<TestSlots>): void {
  async function versionsOf(slots: Slots) {
    const { active, inactive } = await slots.read();
    return [active?.release.version ?? null, inactive?.release.version ?? null];
  }

  async function bringUp(test: TestSlots, release: SampleRelease) {
    await install(test.open(), release);
    await test.reboot();
  }

  describe(`the slots contract: ${name}`, () => {
    it('is empty on a host that never had a release', async () => {
      await using test = await make();
      expect(await versionsOf(test.open())).toEqual([null, null]);
    });

    it('runs a release only once it is written, sealed and activated', async () => {
      await using test = await make();
      await fillInactive(test.open(), FIRST);
      expect(await versionsOf(test.open())).toEqual([null, '1.0.0']);
      await test.open().activate('1.0.0');
      await test.reboot();
      const { active } = await test.open().read();
      expect(active?.document).toEqual(Buffer.from(FIRST.document));
    });

    it('keeps the active slot untouched while the other is written', async () => {
      await using test = await make();
      await bringUp(test, FIRST);
      await fillInactive(test.open(), SECOND);
      expect(await versionsOf(test.open())).toEqual(['1.0.0', '1.1.0']);
      await test.open().activate('1.1.0');
      await test.reboot();
      expect(await versionsOf(test.open())).toEqual(['1.1.0', '1.0.0']);
      // What was active before was never written to.
      expect((await test.open().verifyInactive()).release.version).toBe('1.0.0');
    });

    it('goes back by a flip, with no byte written', async () => {
      await using test = await make();
      await bringUp(test, FIRST);
      await bringUp(test, SECOND);
      await test.open().verifyInactive();
      await test.open().activate('1.0.0');
      await test.reboot();
      expect(await versionsOf(test.open())).toEqual(['1.0.0', '1.1.0']);
    });

    it('takes an activation back, and does so twice as once', async () => {
      await using test = await make();
      await bringUp(test, FIRST);
      await bringUp(test, SECOND);
      await test.open().deactivate('1.0.0');
      await test.open().deactivate('1.0.0');
      const { active, inactive, nextToBoot } = await test.open().read();
      const next = nextToBoot === 'active' ? active : inactive;
      expect(next?.release.version).toBe('1.0.0');
      expect(await codeOf(test.open().deactivate('9.0.0'))).toBe('agent/slots');
    });

    it('marks what runs good, over and over, without a change of what runs', async () => {
      await using test = await make();
      const isOnTrial = async () => (await test.open().read()).isOnTrial;
      await bringUp(test, FIRST);
      expect(await isOnTrial()).toBe(false);
      await bringUp(test, SECOND);
      expect(await isOnTrial()).toBe(test.open().needsReboot);
      for (let times = 0; times < 5; times += 1) {
        await test.open().markGood();
        await test.reboot();
        expect(await isOnTrial()).toBe(false);
      }
      expect(await versionsOf(test.open())).toEqual(['1.1.0', '1.0.0']);
    });

    it('activates twice what it activates once', async () => {
      await using test = await make();
      await bringUp(test, FIRST);
      await fillInactive(test.open(), SECOND);
      await test.open().activate('1.1.0');
      const { nextToBoot } = await test.open().read();
      if (nextToBoot === 'inactive') await test.open().activate('1.1.0');
      await test.reboot();
      expect(await versionsOf(test.open())).toEqual(['1.1.0', '1.0.0']);
      expect((await test.open().read()).nextToBoot).toBe('active');
    });

    it('reads an image back as it was written', async () => {
      await using test = await make();
      await fillInactive(test.open(), FIRST);
      const root = await collect(test.open().readImage('root'));
      expect(root.equals(FIRST.images['root'] ?? Buffer.alloc(0))).toBe(true);
    });

    it('forgets what was written before a restart', async () => {
      await using test = await make();
      const slots = test.open();
      await slots.clearInactive();
      const writer = await slots.writeImage('boot', 4);
      await writer.write(Buffer.from('xyz'));
      await writer.restart();
      await writer.write(Buffer.from('ab'));
      await writer.write(Buffer.from('cd'));
      await writer.finish();
      expect((await collect(slots.readImage('boot'))).toString()).toBe('abcd');
    });

    it('takes the seal off before a slot is cleared', async () => {
      await using test = await make();
      await fillInactive(test.open(), FIRST);
      await test.open().clearInactive();
      expect(await versionsOf(test.open())).toEqual([null, null]);
      expect(await codeOf(test.open().activate('1.0.0'))).toBe('agent/slots');
    });

    it('counts what clearing would free as room', async () => {
      await using test = await make();
      const slots = test.open();
      const size = 8 * 1024 * 1024;
      await fillInactive(slots, sampleRelease('1.0.0', size));
      // Others use the disk too: only the order of magnitude can be held to.
      const before = await slots.roomForImages();
      await slots.clearInactive();
      expect(Math.abs((await slots.roomForImages()) - before)).toBeLessThan(before / 4);
      expect(before).toBeGreaterThan(size);
    });

    it('refuses an image for which there is no room before the first byte', async () => {
      await using test = await make();
      await test.open().clearInactive();
      expect(await codeOf(test.open().writeImage('root', 2 ** 50))).toBe('agent/full');
    });

    it.each(['', '../root', 'a/b', 'release.json', 'Root'])(
      'refuses the image name %p',
      async (image) => {
        await using test = await make();
        await test.open().clearInactive();
        expect(await codeOf(test.open().writeImage(image, 1))).toBe('agent/slots');
      },
    );

    it('refuses to write into a sealed slot', async () => {
      await using test = await make();
      await fillInactive(test.open(), FIRST);
      expect(await codeOf(test.open().writeImage('root', 1))).toBe('agent/slots');
      expect(await codeOf(test.open().sealInactive(FIRST.document))).toBe('agent/slots');
      expect(await versionsOf(test.open())).toEqual([null, '1.0.0']);
    });

    it('refuses more and fewer bytes than announced', async () => {
      await using test = await make();
      await test.open().clearInactive();
      const writer = await test.open().writeImage('root', 4);
      expect(await codeOf(writer.write(Buffer.alloc(5)))).toBe('agent/image');
      await writer.write(Buffer.alloc(3));
      expect(await codeOf(writer.finish())).toBe('agent/image');
      await writer.abandon();
    });

    it.each([
      { case: 'an image is missing', images: { boot: FIRST.images['boot'] } },
      {
        case: 'an image has other bytes',
        images: { ...FIRST.images, root: Buffer.alloc(70_000, 'x') },
      },
      { case: 'an image is too short', images: { ...FIRST.images, root: Buffer.from('root') } },
      { case: 'an image is too many', images: { ...FIRST.images, hash: Buffer.from('more') } },
    ])('never seals when $case', async ({ images }) => {
      await using test = await make();
      const slots = test.open();
      const wrong = Object.entries(images).flatMap(([image, bytes]) =>
        bytes ? [[image, bytes]] : [],
      );
      const release = { ...FIRST, images: Object.fromEntries(wrong) };
      expect(await codeOf(fillInactive(slots, release))).toBe('agent/image');
      expect(await versionsOf(slots)).toEqual([null, null]);
      expect(await codeOf(slots.activate('1.0.0'))).toBe('agent/slots');
    });

    it('seals a release whose images have the signed dm-verity root hash', async () => {
      await using test = await make();
      await bringUp(test, sampleVerityRelease('1.0.0'));
      await fillInactive(test.open(), sampleVerityRelease('1.1.0'));
      expect(await versionsOf(test.open())).toEqual(['1.0.0', '1.1.0']);
      expect((await test.open().verifyInactive()).release.version).toBe('1.1.0');
    });

    it.each([
      {
        case: 'the root hash is of another tree',
        change: (parts: VerityParts) => {
          parts.rootHash = 'ab'.repeat(32);
        },
      },
      {
        case: 'one block of the data is another',
        change: ({ root }: VerityParts) => root.fill('x', 136 * 512),
      },
      {
        case: 'one byte of the hash tree is another',
        change: ({ hash }: VerityParts) => hash.fill('x', 3000, 3001),
      },
      {
        case: 'the hash tree is cut off',
        change: (parts: VerityParts) => {
          parts.hash = parts.hash.subarray(0, -512);
        },
      },
      {
        case: 'the hash image is no dm-verity image',
        change: ({ hash }: VerityParts) => hash.fill(0),
      },
      {
        case: 'the data is a block short',
        change: (parts: VerityParts) => {
          parts.root = parts.root.subarray(0, -512);
        },
      },
    ])('never seals when $case, though it is signed so', async ({ change }) => {
      await using test = await make();
      await bringUp(test, FIRST);
      const wrong = sampleVerityRelease('1.1.0', change);
      expect(await codeOf(fillInactive(test.open(), wrong))).toBe('agent/image');
      expect(await versionsOf(test.open())).toEqual(['1.0.0', null]);
      expect(await codeOf(test.open().activate('1.1.0'))).toBe('agent/slots');
    });

    it('never seals a document that is none', async () => {
      await using test = await make();
      await test.open().clearInactive();
      expect(await codeOf(test.open().sealInactive(Buffer.from('{}')))).toBe('agent/slots');
    });

    it('refuses to activate another version than the slot holds', async () => {
      await using test = await make();
      await bringUp(test, FIRST);
      await fillInactive(test.open(), SECOND);
      expect(await codeOf(test.open().activate('1.2.0'))).toBe('agent/slots');
      expect(await versionsOf(test.open())).toEqual(['1.0.0', '1.1.0']);
    });

    it('finds a byte that changed in a sealed slot', async () => {
      await using test = await make();
      await fillInactive(test.open(), FIRST);
      await test.damageInactive('root');
      expect(await codeOf(test.open().verifyInactive())).toBe('agent/image');
    });

    it('has nothing to verify without a seal', async () => {
      await using test = await make();
      expect(await codeOf(test.open().verifyInactive())).toBe('agent/slots');
    });
  });
}
