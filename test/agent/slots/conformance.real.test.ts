import { describe, expect, it } from '@jest/globals';
import { CHECK_NAMES, checkConformance } from '../../../agent/slots/conformance/run.ts';
import { install } from './install.ts';
import { sampleRelease } from './releases.ts';
import { changedExample, systemdBootHost } from './systemd-boot-host.ts';

const TIMEOUT_MS = 20_000;

type Fault = {
  readonly fault: string;
  /** A line of the good program, and what stands there in the faulty one. */
  readonly line: string;
  readonly instead: string;
  /** The check that must find it. */
  readonly check: string;
  readonly timeoutMs?: number;
};

const FAULTS: readonly Fault[] = [
  {
    fault: 'says something else before its answer',
    line: 'trap unforeseen EXIT\n',
    instead: "trap unforeseen EXIT\necho 'slots 1.0'\n",
    check: 'state-is-well-formed',
  },
  {
    fault: 'never answers',
    line: 'trap unforeseen EXIT\n',
    instead: 'exec sleep 600\n',
    check: 'state-is-well-formed',
    timeoutMs: 500,
  },
  {
    fault: 'exits with 0 after an error',
    line: '"$protocol" "$1" "$2"\n  exit 1\n',
    instead: '"$protocol" "$1" "$2"\n  exit 0\n',
    check: 'refuses-nonsense',
  },
  {
    fault: 'takes keys that it does not know',
    line: '    refuse slots "the request is not one of $operation"\n',
    instead: '    true\n',
    check: 'refuses-nonsense',
  },
  {
    fault: 'does not say that it does not know a protocol',
    line: 'refuse unsupported "this is $protocol"',
    instead: 'refuse slots "this is $protocol"',
    check: 'says-what-it-does-not-know',
  },
  {
    fault: 'has state wait for its lock',
    line: "    must_be ''\n",
    instead: "    must_be ''\n    alone\n",
    check: 'answers-during-a-write',
    timeoutMs: 1500,
  },
  {
    fault: 'cannot clear what is clear',
    line: 'rm -f "$folder/seal" "$folder/seal.tmp"\n',
    instead: 'rm "$folder/seal"\n',
    check: 'clears',
  },
  {
    fault: 'leaves an image behind when it clears',
    line: '  rm -f "$folder"/*\n',
    instead: '  rm -f "$folder/boot.efi"\n',
    check: 'clears',
  },
  {
    fault: 'reads other bytes than it wrote',
    line: 'skip="$offset" count="$length" status=none\n',
    instead: 'skip="$offset" count="$length" status=none | tr x y\n',
    check: 'keeps-images',
  },
  {
    fault: 'always reads from the beginning',
    line: 'skip="$offset" count="$length"',
    instead: 'skip=0 count="$length"',
    check: 'reads-parts',
  },
  {
    fault: 'reads what lies behind an image',
    line: '[ $((offset + length)) -le "$whole" ] || refuse slots "image $image has $whole bytes"\n',
    instead: '',
    check: 'refuses-to-read-beyond',
  },
  {
    fault: 'keeps the size of an image that it replaces',
    line: '  echo "$size" | put "$folder/$image.size"\n',
    instead:
      '  [ -f "$folder/$image.seen" ] || echo "$size" | put "$folder/$image.seen"; cp "$folder/$image.seen" "$folder/$image.size"\n',
    check: 'replaces-an-image',
  },
  {
    fault: 'takes an image that is cut off for whole',
    line: '[ "$copied" = "$2" ] || refuse image "there must be $2 bytes, got $copied"\n',
    instead: '',
    check: 'refuses-a-cut-image',
  },
  {
    fault: 'takes a seal that is cut off for whole',
    line: '[ "$copied" = "$2" ] || refuse image "there must be $2 bytes, got $copied"\n',
    instead: '',
    check: 'refuses-a-cut-seal',
  },
  {
    fault: 'finds out too late that there is no room',
    line: '  [ "$size" -le "$limit" ] || refuse full',
    instead: '  cat >/dev/null\n  [ "$size" -le "$limit" ] || refuse full',
    check: 'refuses-an-image-without-room',
    timeoutMs: 1500,
  },
  {
    fault: 'keeps a seal as text',
    line: 'seal=$(base64 -w 0 "$boot/tidegate/$1/seal")',
    instead: 'seal=$(tr -d "\\r" <"$boot/tidegate/$1/seal" | base64 -w 0)',
    check: 'keeps-the-seal',
  },
  {
    fault: 'writes into a sealed slot',
    line: '  [ ! -f "$folder/seal" ] || refuse slots "slot $slot is sealed"\n',
    instead: '',
    check: 'refuses-to-write-what-is-sealed',
  },
  {
    fault: 'activates a slot without seal',
    line: '  [ -f "$folder/seal" ] || [ "$slot" = "$(running)" ] || refuse slots "slot $slot is not sealed"\n',
    instead: '',
    check: 'refuses-to-activate-without-seal',
  },
  {
    fault: 'puts every slot on trial',
    line: 'if [ "$trial" = true ]; then counter=',
    instead: 'if true; then counter=',
    check: 'activates',
  },
  {
    fault: 'does not take an activation back',
    line: '  choose a b\n  if [ -n "$chosen" ] && [ "$(slot_of',
    instead:
      '  [ "$slot" != "$(running)" ] || return 0\n  choose a b\n  if [ -n "$chosen" ] && [ "$(slot_of',
    check: 'takes-an-activation-back',
  },
  {
    fault: 'forgets that a slot is good',
    line: '  rename "$chosen" "$entries/tidegate-$slot.conf"\n',
    instead: '',
    check: 'marks-good',
  },
  {
    fault: 'leaves a cleared slot the next to boot',
    line: '  rm -f "$entries/tidegate-$slot.conf"* "$entries/tidegate-$slot+"*\n  durable "$entries"\n  rm',
    instead: '  rm',
    check: 'clears-what-boots-next',
  },
  {
    fault: 'clears what runs',
    line: '  [ "$slot" != "$(running)" ] || refuse slots "slot $slot runs"\n',
    instead: '  :\n',
    check: 'protects-what-runs',
  },
  {
    fault: 'takes the seal off last',
    line: '  rm -f "$folder/seal" "$folder/seal.tmp"\n  durable "$folder"\n  rm -f "$folder"/*\n',
    instead: '  rm -f "$folder"/*.size\n  sleep 0.2\n  rm -f "$folder"/*\n',
    check: 'survives-a-kill-of-clear',
  },
  {
    fault: 'lists an image before it is whole',
    line: '  copy_to "$place" "$size"\n  echo "$size" | put "$folder/$image.size"\n',
    instead: '  echo "$size" | put "$folder/$image.size"\n  copy_to "$place" "$size"\n',
    check: 'survives-a-kill-of-write',
  },
  {
    fault: 'writes a seal in its place',
    line: '  copy_to "$folder/seal.tmp" "$size"\n  rename "$folder/seal.tmp" "$folder/seal"\n',
    instead: '  head -c 10 >"$folder/seal"\n  sleep 0.2\n  cat >>"$folder/seal"\n',
    check: 'survives-a-kill-of-seal',
  },
  {
    fault: 'takes the old choice away before there is a new one',
    line: '    rm -f "$entries/tidegate-$slot.conf"* "$entries/tidegate-$slot+"*\n    new_entry',
    instead:
      '    mkdir -p "$boot/old"; mv "$entries"/tidegate-* "$boot/old"\n    sleep 0.2\n    new_entry',
    check: 'survives-a-kill-of-activate',
  },
  {
    fault: 'takes the new choice away before the old one is back',
    line: '  choose a b\n  if [ -n "$chosen" ] && [ "$(slot_of',
    instead:
      '  mkdir -p "$boot/old"; mv "$entries"/tidegate-* "$boot/old"; sleep 0.2; choose a b\n  if [ -n "$chosen" ] && [ "$(slot_of',
    check: 'survives-a-kill-of-taking-back',
  },
  {
    fault: 'takes a slot out of the choice to mark it',
    line: '  rename "$chosen" "$entries/tidegate-$slot.conf"\n',
    instead:
      '  mv "$chosen" "$boot/chosen"\n  sleep 0.2\n  mv "$boot/chosen" "$entries/tidegate-$slot.conf"\n',
    check: 'survives-a-kill-of-mark-good',
  },
  {
    fault: 'writes into the running slot as well',
    line: '  copy_to "$place" "$size"\n  echo',
    instead: '  copy_to "$place" "$size"\n  echo x >"$devices/root-$other"\n  echo',
    check: 'leaves-the-running-slot-alone',
  },
];

/** A host that runs 1.0.0 from slot A, and a program for it: the good one, or a copy in which one text is another. */
async function hostWith({ line, instead }: Pick<Fault, 'line' | 'instead'>) {
  const stack = new AsyncDisposableStack();
  const host = stack.use(await systemdBootHost());
  await install(host.slots(), sampleRelease('1.0.0'));
  expect(await host.boot()).toBe('a');
  const { script } = stack.use(await changedExample(line, instead));
  const [, ...args] = host.program;
  const program = [script, ...args] as const;
  return { host, program, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

async function resultsOf(
  program: readonly [string, ...string[]],
  options: { readonly only?: readonly string[]; readonly timeoutMs?: number } = {},
) {
  const { timeoutMs = TIMEOUT_MS, only = CHECK_NAMES } = options;
  const images = ['boot', 'root'] as const;
  return Array.fromAsync(checkConformance({ program, timeoutMs }, { images, only }));
}

describe('checkConformance', () => {
  it.each(CHECK_NAMES)('finds nothing in a program that does its duties: %s', async (check) => {
    await using test = await hostWith({ line: '#!/bin/sh\n', instead: '#!/bin/sh\n' });
    expect(await resultsOf(test.program, { only: [check] })).toEqual([
      { name: check, duty: expect.any(String), result: 'passed', why: null },
    ]);
    const { active, inactive, nextToBoot } = await test.host.slots().read();
    expect([active?.release.version, inactive, nextToBoot]).toEqual(['1.0.0', null, 'active']);
  });

  it('finds nothing on a host that runs neither slot, and says what that kept it from', async () => {
    await using host = await systemdBootHost();
    const only = CHECK_NAMES.filter((name) => !name.startsWith('survives'));
    const results = await resultsOf(host.program, { only });
    expect(results.filter(({ result }) => result === 'failed')).toEqual([]);
    expect(results.flatMap(({ name, result }) => (result === 'not-run' ? [name] : []))).toEqual([
      'protects-what-runs',
      'leaves-the-running-slot-alone',
    ]);
  });

  it('has a faulty program for every check', () => {
    expect([...new Set(FAULTS.map(({ check }) => check))].toSorted()).toEqual(
      CHECK_NAMES.toSorted(),
    );
  });

  it.each(FAULTS)('finds a program that $fault', async ({ line, instead, check, timeoutMs }) => {
    await using test = await hostWith({ line, instead });
    // The last check sees what the others did to the running slot.
    const only = check === 'leaves-the-running-slot-alone' ? ['keeps-images', check] : [check];
    const results = await resultsOf(test.program, {
      only,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    });
    expect(results.filter(({ name }) => name === check)).toMatchObject([
      { name: check, result: 'failed' },
    ]);
  });
});
