import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { SLOTS_TOOL } from './host.ts';
import type { PowerFailHost } from './host.ts';
import { CHANGING_CALLS } from './operations.ts';
import type { ProgramCall, Recording } from './operations.ts';
import { runAgent } from './run-agent.ts';
import type { Ended, Fault } from './run-agent.ts';

/** What the example runs and that changes files. */
const TOOLS = ['dd', 'mkdir', 'mv', 'rm', 'sync'];

/** A change that a program of `command` slots makes, or one that it runs. */
export type NumberedCall = ProgramCall & {
  /** The how-manyeth of all that slots-tool.sh stands for, from 1. */
  readonly number: number;
  /** The number of the program of the slots that does this. */
  readonly under: number;
  /** The highest number that was given until then. */
  readonly last: number;
};

/** What else is killed with a program: all of its group, and the agent too. */
export type Killed = 'group' | 'agent';

/** Throws if a program makes changes that slots-tool.sh does not stand for. */
export function numberedCalls(
  { programs, programCalls }: Pick<Recording, 'programs' | 'programCalls'>,
  script: string,
): readonly NumberedCall[] {
  const numbers = new Map<number, Pick<NumberedCall, 'number' | 'under'>>();
  let under = 0;
  programs.forEach((path, process) => {
    if (path !== script && !TOOLS.includes(basename(path))) return;
    const number = numbers.size + 1;
    if (path === script) under = number;
    numbers.set(process, { number, under });
  });
  return programCalls.map((call) => {
    const found = numbers.get(call.process);
    if (found === undefined) throw new Error(`${programs[call.process]} changes ${call.path}`);
    const last = [...numbers.keys()].filter((process) => process < call.started).length;
    return { ...call, ...found, last };
  });
}

/** Runs the agent and disturbs its slots' program at one of these calls. Throws if it did not get there. */
export async function disturbProgram(
  host: PowerFailHost,
  calls: readonly NumberedCall[],
  { at, kills = null, ...fault }: Fault & { readonly at: number; readonly kills?: Killed | null },
): Promise<Ended> {
  const call = calls[at];
  if (call === undefined) throw new Error(`there is no call ${at}`);
  const folder = join(host.world.folder, 'tools');
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder);
  for (const name of TOOLS) await symlink(SLOTS_TOOL, join(folder, name));
  const plan = fault.lasts ? planFromThenOn(host, calls, { at, ...fault }) : planAt(call, fault);
  for (const [name, words] of plan) await writeFile(join(folder, name), `${words}\n`);
  if (kills !== null) await writeFile(join(folder, 'kill'), `${kills}\n`);
  const end = await runAgent(host, host.toolsConfigFile, {
    ...{ TOOLS: folder, PATH: `${folder}:${process.env['PATH']}` },
  });
  const log = await readFile(join(folder, 'log'), 'utf8').catch(() => '');
  const sign = kills === null ? '(INJECTED)' : ' = ?';
  const disturbed = log.split('\n').find((line) => line.includes(sign)) ?? '';
  const path = call.path === '.' ? host.folder : join(host.folder, call.path);
  if (!disturbed.startsWith(`${call.name}(`) || !disturbed.includes(path)) {
    throw new Error(`not ${call.name} of ${path} was disturbed, but ${disturbed}: ${end.stderr}`);
  }
  return end;
}

type Plan = ReadonlyMap<string, string>;

function planAt({ number, name, nth }: NumberedCall, { what }: Fault): Plan {
  const words = ['-y', '-e', `trace=${name}`, '-e', `inject=${name}:${what}:when=${nth}`];
  return new Map([[`inject.${number}`, words.join(' ')]]);
}

/** In the program itself, in the one that waits for it, and in all that are started later. */
function planFromThenOn(
  { folder }: PowerFailHost,
  calls: readonly NumberedCall[],
  { at, what }: Fault & { readonly at: number },
): Plan {
  const { number = 0, under = 0, last = 0 } = calls[at] ?? {};
  const paths = calls.flatMap(({ path, from }) => [path, ...(from === null ? [] : [from])]);
  const watched = [...new Set(paths)].map((path) => (path === '.' ? folder : join(folder, path)));
  const wordsFor = (of: number) => {
    const before = calls.slice(0, at).filter((call) => call.number === of);
    const injections = CHANGING_CALLS.map((name) => {
      const count = before.filter((call) => call.name === name).length;
      return `-e inject=${name}:${what}:when=${count + 1}+`;
    });
    const places = watched.map((path) => `-P ${path}`);
    return ['-y', `-e trace=${CHANGING_CALLS.join(',')}`, ...places, ...injections].join(' ');
  };
  return new Map([
    [`inject.${under}`, wordsFor(under)],
    [`inject.${number}`, wordsFor(number)],
    ['inject.rest', wordsFor(Infinity)],
    ['last', String(last)],
  ]);
}
