import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { Journal } from '../../agent/journal.ts';
import { IDLE } from '../../agent/machine-state.ts';
import type { AgentState, StateOf } from '../../agent/machine-state.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { run } from './made-package.ts';

const SCRIPT = join(import.meta.dirname, '../../packaging/debian/is-on-trial');
const THIS_BOOT = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
const [YES, NO] = [0, 3];

const UNDER_WAY = {
  target: {
    ...{ id: 'one', rolloutId: 'rollout', from: '1.0.0', to: '1.1.0', attempt: 1 },
    direction: 'forward',
  },
  ...{ failures: [], reboots: 1 },
} as const;
const rebootingSince = (bootId: string): AgentState => ({
  ...{ kind: 'rebooting', ...UNDER_WAY, bootId, orderedAtMs: 0 },
});

const FALLEN_BACK: StateOf<'fallen-back'> = {
  ...{ kind: 'fallen-back', ...UNDER_WAY, isBack: false, sinceMs: 0, ordered: null },
  ...{ isStuck: false, calledOff: 'no', outcome: null },
  mishap: { stage: 'health', code: 'agent/unhealthy', message: 'sick' },
};

/** A host whose agent ends with this exit code, and whose journal the agent before has left so. */
async function host(agentExits: number | 'never', journal: AgentState | null) {
  const folder = await temporaryFolder();
  const state = join(folder.path, 'state');
  await mkdir(state);
  if (journal !== null) await new Journal(state).write(journal);
  const agent = join(folder.path, 'agent');
  const change = async (exits: number | 'never') => {
    const end = exits === 'never' ? 'exec sleep 60' : `exit ${exits}`;
    await writeFile(agent, `#!/bin/sh\n${end}\n`, { mode: 0o755 });
  };
  await change(agentExits);
  return {
    change,
    prepareBoot: (after: AgentState) => new Journal(state).write(after),
    ask: async () => {
      const env = { PATH: process.env['PATH'] };
      return (await run('/bin/sh', [SCRIPT, agent, state, '0.5'], { env })).code;
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

describe('is-on-trial', () => {
  it.each([
    { exits: YES, journal: IDLE },
    { exits: NO, journal: rebootingSince('before') },
  ])('says what the agent says, whatever its journal holds: $exits', async (given) => {
    await using machine = await host(given.exits, given.journal);
    for (let time = 0; time < 7; time += 1) expect(await machine.ask()).toBe(given.exits);
  });

  it.each([
    { exits: 1, how: 'fails' },
    { exits: 127, how: 'is not there' },
    { exits: 134, how: 'crashes' },
    { exits: 'never', how: 'hangs' },
  ] as const)(
    'says yes after a boot for which the agent before was ready, if the agent $how',
    async ({ exits }) => {
      await using rebooting = await host(exits, rebootingSince('before'));
      expect(await rebooting.ask()).toBe(YES);
      const state = { ...UNDER_WAY, bootId: 'before', calledOff: 'no' } as const;
      await using ready = await host(exits, { kind: 'ready', ...state });
      expect(await ready.ask()).toBe(YES);
      // The agent of this release came so far in a boot before.
      await using confirming = await host(exits, { kind: 'confirming', ...UNDER_WAY });
      expect(await confirming.ask()).toBe(YES);
      await using givenUp = await host(exits, FALLEN_BACK);
      expect(await givenUp.ask()).toBe(YES);
    },
  );

  it.each<{ case: string; journal: AgentState | null }>([
    { case: 'in the boot in which it was prepared', journal: rebootingSince(THIS_BOOT) },
    { case: 'where nothing is under way', journal: IDLE },
    { case: 'where a release is only staged', journal: { kind: 'staged', ...UNDER_WAY } },
    { case: 'without a journal', journal: null },
    { case: 'where the host is back already', journal: { ...FALLEN_BACK, isBack: true } },
  ])('says no $case', async ({ journal }) => {
    await using machine = await host(127, journal);
    expect(await machine.ask()).toBe(NO);
  });

  it('says yes without an agent five times in a row and no more, until an agent has answered', async () => {
    await using machine = await host(127, rebootingSince('before'));
    const answers = async (count: number) => {
      const all: (number | null)[] = [];
      for (let time = 0; time < count; time += 1) all.push(await machine.ask());
      return all;
    };
    expect(await answers(7)).toEqual([YES, YES, YES, YES, YES, NO, NO]);
    await machine.change(NO);
    expect(await machine.ask()).toBe(NO);
    await machine.change(127);
    expect(await answers(1)).toEqual([YES]);
  });

  it('counts for each attempt anew', async () => {
    await using machine = await host(127, rebootingSince('one'));
    for (let time = 0; time < 5; time += 1) expect(await machine.ask()).toBe(YES);
    expect(await machine.ask()).toBe(NO);
    await machine.prepareBoot(rebootingSince('two'));
    expect(await machine.ask()).toBe(YES);
  });
});
