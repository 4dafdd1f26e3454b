import { SLOTS_PROTOCOL } from '../command-protocol.ts';
import type { Check, Subject } from './check.ts';
import { must } from './errors.ts';
import { empty, filled, imagesOf, isSame, slotOf } from './steps.ts';

/** What is no request, whatever a program makes of it. */
function nonsense({ slot, images: [image] }: Subject): readonly string[] {
  const request = (rest: object) => `${JSON.stringify({ protocol: SLOTS_PROTOCOL, ...rest })}\n`;
  const write = { operation: 'write', slot, image, size: 10 };
  return [
    ...[
      '',
      '\n',
      'state\n',
      '{}\n',
      '[]\n',
      'null\n',
      '{"protocol":\n',
      `${' '.repeat(100_000)}\n`,
    ],
    request({ operation: 'state' }).trimEnd(),
    request({ operation: 'clear' }),
    ...['c', '', 'A', 'ab', '../a', null, 1].map((wrong) =>
      request({ operation: 'clear', slot: wrong }),
    ),
    request({ operation: 'clear', slot, more: true }),
    ...['', '.', '..', '../x', 'a/b', 'Root', 'x'.repeat(33), '$(id)', "'", 7].map((wrong) =>
      request({ ...write, image: wrong }),
    ),
    ...[-1, 1.5, '10', null, 1e30].map((wrong) => request({ ...write, size: wrong })),
    request({ operation: 'activate', slot, trial: 'yes' }),
    request({ operation: 'activate', slot }),
  ];
}

/** What every answer must be, whatever is asked. */
export const PROTOCOL_CHECKS: readonly Check[] = [
  {
    name: 'state-is-well-formed',
    duty: 'state answers with one line of JSON of the protocol, exits with 0, and says the same twice',
    async run({ probe }) {
      const [first, second] = [await probe.state(), await probe.state()];
      const stable = ({ running, next }: typeof first) => ({ running, next });
      must(isSame(stable(first), stable(second)), 'state said something else when asked again');
    },
  },
  {
    name: 'refuses-nonsense',
    duty: 'what is no request is answered with an error and an exit code other than 0, and changes nothing',
    async run(subject) {
      await filled(subject);
      const before = await slotOf(subject);
      for (const text of nonsense(subject)) await subject.probe.refused(text);
      const { room, ...rest } = await slotOf(subject);
      must(
        isSame({ ...rest, room: before.room }, before),
        'a request that is none changed the slot',
      );
      must(room > 0, 'a request that is none took all room');
    },
  },
  {
    name: 'says-what-it-does-not-know',
    duty: 'another protocol or an operation that it does not know is refused with unsupported',
    async run({ probe }) {
      const unsupported = { code: 'unsupported' } as const;
      for (const request of [
        { protocol: 'tidegate.slots/999', operation: 'state' },
        { protocol: SLOTS_PROTOCOL, operation: 'defragment' },
      ]) {
        await probe.refused(`${JSON.stringify(request)}\n`, unsupported);
      }
    },
  },
  {
    name: 'answers-during-a-write',
    duty: 'state and read do not wait for an operation that is under way',
    async run(subject) {
      const { probe, slot } = subject;
      const [[first, bytes] = ['', Buffer.alloc(0)], [second, other] = ['', Buffer.alloc(0)]] =
        imagesOf(subject);
      await empty(subject);
      await probe.done({ operation: 'write', slot, image: first, size: bytes.length }, bytes);
      const request = { operation: 'write', slot, image: second, size: other.length } as const;
      await probe.during(request, other.subarray(0, 1000), async () => {
        const { images } = await slotOf(subject);
        must(!Object.hasOwn(images, second), `image ${second} is listed before it is whole`);
        const read = await probe.read(slot, first, { offset: 0, length: bytes.length });
        must(read.equals(bytes), `image ${first} was read with other bytes meanwhile`);
      });
    },
  },
];
