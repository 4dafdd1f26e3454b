import { describe, expect, it } from '@jest/globals';
import { changedExample, SYSTEMD_BOOT_EXAMPLE } from '../agent/slots/systemd-boot-host.ts';
import { runMatrix } from './matrix.ts';
import type { Operation } from './operations.ts';
import { MUTANTS, mutated } from './mutants.ts';
import { PowerFailHost } from './host.ts';
import { losePower } from './power-loss.ts';
import { recordAgent } from './run-agent.ts';
import { storyOf } from './story.ts';
import { writeTree } from './tree-on-disk.ts';

const KINDS = {
  directory: { slots: 'directory' },
  gpt: { slots: 'gpt', sectorBytes: 512 },
  command: { slots: 'command', script: SYSTEMD_BOOT_EXAMPLE },
} as const;

/** A first turn of `agent once` as it was, to take syncs out of. */
async function recordedUpdate(slots: keyof typeof KINDS) {
  const host = await PowerFailHost.open(KINDS[slots]);
  const { value: turn } = await storyOf(host).next();
  if (turn === undefined) throw new Error('a story without a turn');
  writeTree(host.folder, turn.begin);
  const { operations } = await recordAgent(host);
  return { host, turn, operations, areas: [...(await host.areas()).values()].flat() };
}

const LOSSES = { unitBytes: 512, everyUpTo: 256, samples: 40, recoveries: 0, seed: 1 };

describe('a host whose power, agent or disk fails', () => {
  it('boots the old or the new release, and goes on to the end', async () => {
    const { rows, recovered, phases, complaints } = await runMatrix({
      hosts: [
        { slots: 'directory', units: [512], disturbs: ['agent'] },
        { slots: 'gpt', sectorBytes: 512, units: [4096], disturbs: ['agent'] },
        { ...KINDS.command, units: [512], disturbs: ['program'] },
      ],
      ...{ everyUpTo: 256, samples: 30, recoveries: 1, seed: 1 },
      ...{ killEvery: 50, failEvery: 120, readEvery: 400, programEvery: 60 },
    });
    expect(complaints).toEqual([]);
    const seen = rows.map(({ host, what, step, neither }) => [host, what, step, neither]);
    expect(seen).toEqual(seen.map(([host, what, step]) => [host, what, step, 0]));
    const steps = new Set(rows.map(({ step }) => step));
    for (const step of ['clearInactive', 'writeImage', 'sealInactive', 'verifyInactive']) {
      expect(steps).toContain(step);
    }
    for (const step of ['activate', 'markGood', 'deactivate']) expect(steps).toContain(step);
    const disturbed = ['any change', 'any read', 'any change of the program', 'order to boot'];
    for (const step of disturbed) expect(steps).toContain(step);
    expect(rows.filter(({ states }) => states === 0)).toEqual([]);
    const killed = rows.filter(({ what, step }) => what === 'SIGKILL' && step === 'any change');
    const both = [...rows.filter(({ step }) => step === 'activate'), ...killed];
    expect(both.map(({ old, new: after }) => Math.min(old, after) > 1)).toEqual(
      both.map(() => true),
    );
    expect(recovered).toBeGreaterThan(15);
    const midway = ['available', 'staged', 'ready', 'rebooting', 'confirming', 'fallen-back'];
    for (const phase of ['idle', ...midway]) expect(phases).toContain(phase);
  }, 600_000);
});

describe('the matrix of the example for systemd-boot', () => {
  it('finds states that boot neither where the entries of a slot go before there is a new one', async () => {
    const written = '    put "$wanted" "$text"\n';
    await using faulty = await changedExample(written, `    drop_entries "$slot"\n${written}`);
    await using host = await PowerFailHost.open({ slots: 'command', script: faulty.script });
    const bricks: string[] = [];
    for await (const turn of storyOf(host)) {
      writeTree(host.folder, turn.begin);
      const { operations } = await recordAgent(host);
      const { first } = await losePower(host, turn, operations, { ...LOSSES, untilBricked: true });
      if (first !== null) bricks.push(turn.name);
    }
    expect(bricks).toEqual(['sick release: after the boot']);
  }, 600_000);
});

describe.each(['directory', 'gpt', 'command'] as const)('the matrix of %s slots', (slots) => {
  it('finds nothing in an update as it is, and states that boot neither wherever syncs are left out', async () => {
    const { host, turn, operations, areas } = await recordedUpdate(slots);
    await using _ = host;
    const bricks = async (done: readonly Operation[]) => {
      const { first } = await losePower(host, turn, done, { ...LOSSES, untilBricked: true });
      return first !== null;
    };
    expect(await bricks(operations)).toBe(false);
    const mutants = MUTANTS.filter((mutant) => mutant.slots.includes(slots));
    const found: string[] = [];
    for (const mutant of mutants) {
      const left = mutated(operations, mutant, areas);
      expect(left.length).toBeLessThan(operations.length);
      if (await bricks(left)) found.push(mutant.name);
    }
    expect(found).toEqual(mutants.map(({ name }) => name));
  }, 600_000);
});
