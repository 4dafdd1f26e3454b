// The real `agent once` at a time of our choice:
//   node agent-program.ts --config FILE --json
// NOW is that time. With STEPS_FILE each call to the slots is written there when it begins and when it is over, a line each.
// With SHORT_WRITES the system takes half of the bytes of each write to a file, as it may, and their number is said at the end.
import { appendFileSync } from 'node:fs';
import { agentOnceCommand } from '../../agent/commands/once.ts';
import { CommandSlots } from '../../agent/slots/command.ts';
import { directorySlots } from '../../agent/slots/directory.ts';
import { GptSlots } from '../../agent/slots/gpt.ts';
import { failureOf } from '../../bin/failure.ts';
import { ExpectedError } from '../../core/errors.ts';

const CALLS = [
  ...['clearInactive', 'writeImage', 'sealInactive', 'verifyInactive'],
  ...['activate', 'deactivate', 'markGood'],
];
const now = new Date(process.env['NOW'] ?? '');
const stepsFile = process.env['STEPS_FILE'];

function watch(slots: object, say: (line: string) => void): void {
  // A call that another one makes is a part of it.
  let depth = 0;
  for (const name of CALLS) {
    const original: unknown = Reflect.get(slots, name);
    if (typeof original !== 'function') throw new TypeError(`slots have no ${name}`);
    Reflect.set(slots, name, async function watched(this: object, ...parameters: unknown[]) {
      const [first] = parameters;
      const call = typeof first === 'string' ? `${name} ${first}` : name;
      depth += 1;
      if (depth === 1) say(`begin ${call}`);
      const result: unknown = await Reflect.apply(original, this, parameters);
      if (depth === 1) say(`end ${call}`);
      depth -= 1;
      return result;
    });
  }
}

/** Below all of Node's own loops, which must go on where the system stopped. */
function shortenWrites(): () => number {
  const binding: unknown = Reflect.apply(Reflect.get(process, 'binding'), process, ['fs']);
  if (typeof binding !== 'object' || binding === null) throw new TypeError('no binding of fs');
  const original: unknown = Reflect.get(binding, 'writeBuffer');
  if (typeof original !== 'function') throw new TypeError('no writeBuffer');
  let count = 0;
  Reflect.set(
    binding,
    'writeBuffer',
    (fd: number, bytes: Uint8Array, offset: number, length: number, ...rest: unknown[]) => {
      if (length > 1) count += 1;
      const taken = Math.max(1, Math.floor(length / 2));
      const result: unknown = Reflect.apply(original, binding, [fd, bytes, offset, taken, ...rest]);
      return result;
    },
  );
  return () => count;
}

const shortWrites = process.env['SHORT_WRITES'] === undefined ? null : shortenWrites();

if (stepsFile !== undefined) {
  const say = (line: string) => appendFileSync(stepsFile, `${line}\n`);
  watch(GptSlots.prototype, say);
  watch(CommandSlots.prototype, say);
  watch(Reflect.getPrototypeOf(directorySlots('/')) ?? {}, say);
}

try {
  await agentOnceCommand({
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    cwd: process.cwd(),
    now: () => now,
    signal: new AbortController().signal,
  }).parseAsync(process.argv.slice(2), { from: 'user' });
} catch (error) {
  const { exitCode, lines } = failureOf(error);
  const code = error instanceof ExpectedError ? String(error.code) : 'no code';
  process.stderr.write(`${lines.join('\n')}\n${code}\n`);
  process.exitCode = exitCode;
}
if (shortWrites !== null) process.stderr.write(`${shortWrites()} short writes\n`);
