import type { Check, Subject } from './check.ts';
import { must, violation } from './errors.ts';
import {
  activated,
  empty,
  filled,
  mustBeEmpty,
  mustBeSealed,
  mustBootNext,
  mustHoldImages,
  otherOf,
  slotOf,
} from './steps.ts';

async function mustBe(subject: Subject, good: boolean): Promise<void> {
  const now = await slotOf(subject);
  must(now.good === good, `good must be ${good}, got ${now.good}`);
  must(!now.failed, 'failed must be false, got true');
}

/** What the next boot takes. */
export const BOOT_CHECKS: readonly Check[] = [
  {
    name: 'refuses-to-activate-without-seal',
    duty: 'activate of a slot without seal is refused with slots, and what boots stays',
    async run(subject) {
      const { probe, slot } = subject;
      const slots = { code: 'slots' } as const;
      await empty(subject);
      const { next } = await probe.state();
      await probe.refused({ operation: 'activate', slot, trial: true }, slots);
      await filled(subject);
      for (const trial of [true, false]) {
        await probe.refused({ operation: 'activate', slot, trial }, slots);
      }
      await mustBootNext(subject, next);
    },
  },
  {
    name: 'activates',
    duty: 'activate makes a sealed slot the next to boot, on trial or not, twice as once',
    async run(subject) {
      const { probe, slot } = subject;
      await activated(subject);
      for (const trial of [true, true, false, false]) {
        await probe.done({ operation: 'activate', slot, trial });
        await mustBootNext(subject, slot);
        await mustBe(subject, !trial);
      }
      mustBeSealed(await slotOf(subject));
      await mustHoldImages(subject);
    },
  },
  {
    name: 'takes-an-activation-back',
    duty: 'activate of the other slot takes an activation back, twice as once, and both stay whole',
    async run(subject) {
      const { probe, slot } = subject;
      const other = otherOf(subject);
      await activated(subject);
      const before = (await probe.state()).slots[other];
      const request = { operation: 'activate', slot: other, trial: !before.good } as const;
      for (let times = 0; times < 2; times += 1) {
        await probe.done(request);
        await mustBootNext(subject, other);
      }
      mustBeSealed(await slotOf(subject));
      await mustHoldImages(subject);
      await probe.done({ operation: 'activate', slot, trial: true });
      await mustBootNext(subject, slot);
      await mustBe(subject, false);
    },
  },
  {
    name: 'marks-good',
    duty: 'mark-good makes a slot good, twice as once, and changes nothing else',
    async run(subject) {
      const { probe, slot } = subject;
      await activated(subject);
      await mustBe(subject, false);
      for (let times = 0; times < 2; times += 1) {
        await probe.done({ operation: 'mark-good', slot });
        await mustBe(subject, true);
        await mustBootNext(subject, slot);
      }
      mustBeSealed(await slotOf(subject));
      await mustHoldImages(subject);
    },
  },
  {
    name: 'clears-what-boots-next',
    duty: 'clear of the slot that boots next gives the boot back to the other one',
    async run(subject) {
      const { probe, slot } = subject;
      await activated(subject);
      await probe.done({ operation: 'clear', slot });
      await mustBootNext(subject, otherOf(subject));
      mustBeEmpty(await slotOf(subject));
    },
  },
  {
    name: 'protects-what-runs',
    duty: 'clear of the running slot and write into it are refused with slots',
    needsRunning: true,
    async run({ probe, running, images: [image] }) {
      if (running === null) throw violation('a slot must run');
      const slots = { code: 'slots' } as const;
      await probe.refused({ operation: 'clear', slot: running }, slots);
      await probe.refused(
        { operation: 'write', slot: running, image, size: 3 },
        { ...slots, input: Buffer.from('new') },
      );
    },
  },
];
