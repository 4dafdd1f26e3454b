import type { ProgramRequest, ProgramState } from '../command-protocol.ts';
import type { Check, Subject } from './check.ts';
import { must } from './errors.ts';
import type { Death } from './probe.ts';
import {
  activated,
  empty,
  filled,
  imagesOf,
  isSame,
  mustBeEmpty,
  mustBeSealed,
  mustBootNext,
  mustHoldImages,
  otherOf,
  SEAL,
  slotOf,
} from './steps.ts';

/** Moments, evenly spread over the time that an operation takes. */
const MOMENTS = 6;
const SHORTEST_MS = 4;
const LONGEST_MS = 60_000;
/** So many times as long as a question for the state takes, a program has time to do all it will with the bytes that it has. */
const PATIENCE = 3;
const NOTHING = new Uint8Array(0);

type Ordeal = {
  /** Brings the slot to where the operation starts. */
  readonly prepare: (subject: Subject) => Promise<void>;
  /** A shorter way back there, when it was done once. */
  readonly again?: (subject: Subject) => Promise<void>;
  readonly request: (subject: Subject) => ProgramRequest;
  readonly input?: (subject: Subject) => Uint8Array;
  /** What must hold after each death, besides what no operation may touch. */
  readonly afterDeath: (subject: Subject, before: ProgramState) => Promise<void>;
  /** What must hold when the operation was done once more. */
  readonly afterAll: (subject: Subject) => Promise<void>;
};

/** No operation leaves anything but what was before it or what is after it, and each can be repeated. */
export const KILL_CHECKS: readonly Check[] = [
  {
    name: 'survives-a-kill-of-clear',
    duty: 'a clear that is killed leaves the slot whole, or without seal and not the next to boot',
    run: survive({
      prepare: activated,
      request: ({ slot }) => ({ operation: 'clear', slot }),
      async afterDeath(subject) {
        const { next } = await subject.probe.state();
        const { seal } = await slotOf(subject);
        if (seal === null) {
          must(next !== subject.slot, 'a slot without seal is the next to boot');
        } else {
          mustBeSealed(await slotOf(subject));
          await mustHoldImages(subject);
        }
      },
      async afterAll(subject) {
        mustBeEmpty(await slotOf(subject));
        await mustBootNext(subject, otherOf(subject));
      },
    }),
  },
  {
    name: 'survives-a-kill-of-write',
    duty: 'a write that is killed leaves no image, or the whole one',
    run: survive({
      prepare: empty,
      request: (subject) => {
        const { image, bytes } = largest(subject);
        return { operation: 'write', slot: subject.slot, image, size: bytes.length };
      },
      input: (subject) => largest(subject).bytes,
      async afterDeath(subject) {
        const { image } = largest(subject);
        const { images, seal } = await slotOf(subject);
        must(seal === null, 'a slot that was written is sealed');
        if (Object.hasOwn(images, image)) await mustHoldLargest(subject);
      },
      afterAll: mustHoldLargest,
    }),
  },
  {
    name: 'survives-a-kill-of-seal',
    duty: 'a seal operation that is killed leaves no seal, or the whole one, and the images as they were',
    run: survive({
      prepare: filled,
      request: ({ slot }) => ({ operation: 'seal', slot, size: SEAL.length }),
      input: () => SEAL,
      async afterDeath(subject) {
        const slot = await slotOf(subject);
        if (slot.seal !== null) mustBeSealed(slot);
        await mustHoldImages(subject);
      },
      async afterAll(subject) {
        mustBeSealed(await slotOf(subject));
      },
    }),
  },
  {
    name: 'survives-a-kill-of-activate',
    duty: 'an activate that is killed leaves the old or the new slot the next to boot, and both whole',
    run: survive({
      async prepare(subject) {
        await activated(subject);
        await giveBack(subject);
      },
      again: giveBack,
      request: onTrial,
      afterDeath: mustBeBeforeOrAfter(onTrial),
      afterAll: (subject) => mustBootNext(subject, subject.slot),
    }),
  },
  {
    name: 'survives-a-kill-of-taking-back',
    duty: 'an activate of the slot of before that is killed leaves one of both the next to boot, and it good',
    run: survive({
      prepare: activated,
      again: activateOnTrial,
      request: takingBack,
      afterDeath: mustBeBeforeOrAfter(takingBack),
      afterAll: (subject) => mustBootNext(subject, otherOf(subject)),
    }),
  },
  {
    name: 'survives-a-kill-of-going-back',
    duty: 'an activate without trial of a slot that is good leaves it good when it is killed',
    run: survive({
      async prepare(subject) {
        await activated(subject);
        await subject.probe.done({ operation: 'mark-good', slot: subject.slot });
        await giveBack(subject);
      },
      again: giveBack,
      request: withoutTrial,
      afterDeath: mustBeBeforeOrAfter(withoutTrial),
      async afterAll(subject) {
        await mustBootNext(subject, subject.slot);
        must((await slotOf(subject)).good, 'the slot must be good');
      },
    }),
  },
  {
    name: 'survives-a-kill-of-mark-good',
    duty: 'a mark-good that is killed leaves the slot good or on trial, and the next to boot',
    run: survive({
      prepare: activated,
      again: activateOnTrial,
      request: ({ slot }) => ({ operation: 'mark-good', slot }),
      async afterDeath(subject) {
        await mustBootNext(subject, subject.slot);
        mustBeSealed(await slotOf(subject));
      },
      async afterAll(subject) {
        await mustBootNext(subject, subject.slot);
        must((await slotOf(subject)).good, 'the slot must be good');
      },
    }),
  },
];

function survive({ prepare, again = prepare, ...ordeal }: Ordeal) {
  const { request, input = () => NOTHING, afterDeath, afterAll } = ordeal;
  return async (subject: Subject) => {
    const { probe } = subject;
    const bytes = input(subject);
    await prepare(subject);
    const dieAt = async (death: Death) => {
      await again(subject);
      const before = await probe.state();
      const isKilled = await probe.killed(request(subject), bytes, death);
      await mustLeaveTheOtherAlone(subject, before);
      await afterDeath(subject, before);
      await probe.done(request(subject), bytes);
      await afterAll(subject);
      return isKilled;
    };
    const patience = PATIENCE * (await durationOf(probe.state()));
    for (const part of bytes.length > 0 ? [0, 0.5, 1] : []) {
      const count = Math.floor(bytes.length * part);
      await dieAt({ kind: 'at-byte', count, milliseconds: patience });
    }
    let longest = SHORTEST_MS;
    while (longest < LONGEST_MS && (await dieAt({ kind: 'after', milliseconds: longest }))) {
      longest *= 2;
    }
    for (let moment = 0; moment < MOMENTS; moment += 1) {
      await dieAt({ kind: 'after', milliseconds: (longest * moment) / MOMENTS });
    }
  };
}

async function durationOf(work: Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work;
  return performance.now() - started;
}

function largest(subject: Subject): { readonly image: string; readonly bytes: Buffer } {
  const [[image, bytes] = ['', Buffer.alloc(0)]] = imagesOf(subject);
  return { image, bytes };
}

async function mustHoldLargest(subject: Subject): Promise<void> {
  const { probe, slot } = subject;
  const { image, bytes } = largest(subject);
  const listed = (await slotOf(subject)).images[image];
  must(
    listed === bytes.length,
    `${image} must be listed with ${bytes.length} bytes, got ${listed}`,
  );
  const read = await probe.read(slot, image, { offset: 0, length: bytes.length });
  must(read.equals(bytes), `image ${image} is listed, but its bytes are others`);
}

async function giveBack(subject: Subject): Promise<void> {
  const other = otherOf(subject);
  const { good } = (await subject.probe.state()).slots[other];
  await subject.probe.done({ operation: 'activate', slot: other, trial: !good });
}

type Activation = Extract<ProgramRequest, { operation: 'activate' }>;

function onTrial({ slot }: Subject): Activation {
  return { operation: 'activate', slot, trial: true };
}

function withoutTrial({ slot }: Subject): Activation {
  return { operation: 'activate', slot, trial: false };
}

/** A host that is going back found its running slot good before. */
function takingBack(subject: Subject): Activation {
  return { operation: 'activate', slot: otherOf(subject), trial: false };
}

async function activateOnTrial(subject: Subject): Promise<void> {
  await subject.probe.done(onTrial(subject));
}

/** Whatever is done to the tested slot, the other one is what the host falls back to. */
async function mustLeaveTheOtherAlone(subject: Subject, before: ProgramState): Promise<void> {
  const other = otherOf(subject);
  const was = before.slots[other];
  const now = (await subject.probe.state()).slots[other];
  must(
    now.seal === was.seal && isSame(now.images, was.images),
    `what slot ${other} holds, which nobody asked for, changed`,
  );
  must(now.good || !was.good, `slot ${other} was good, and is not any more`);
}

/** What boots and which slots are good is as it was, or as the activation wants it: nothing in between. */
function mustBeBeforeOrAfter(activation: (subject: Subject) => Activation) {
  return async (subject: Subject, before: ProgramState): Promise<void> => {
    const { slot, trial } = activation(subject);
    const now = await subject.probe.state();
    const was = choiceOf(before);
    const wanted = { ...was, next: slot, [slot]: !trial };
    const found = choiceOf(now);
    must(
      isSame(found, was) || isSame(found, wanted),
      `the next to boot and the good slots must be ${JSON.stringify(was)} or ${JSON.stringify(wanted)}, got ${JSON.stringify(found)}`,
    );
    mustBeSealed(now.slots[subject.slot]);
  };
}

function choiceOf({ next, slots: { a, b } }: ProgramState) {
  return { next, a: a.good, b: b.good };
}
