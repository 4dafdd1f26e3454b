import { runCycle } from '../../agent/cycle.ts';
import { sendTo } from '../support/host-world.ts';
import { rollBackVerb } from '../support/rollouts.ts';
import type { PowerFailHost } from './host.ts';
import { readTree, writeTree } from './tree-on-disk.ts';
import type { Tree } from './volatile-tree.ts';

/** One run of `agent once` in the life of a host. */
export type Turn = {
  readonly name: string;
  /** All files of the host before it. */
  readonly begin: Tree;
  /** What the host runs when it begins. */
  readonly runs: string;
  /** The release that the host goes on with, whether it runs already or not, and the other one. */
  readonly old: string;
  readonly new: string;
  /** What it must run in the end, whatever happens in between. */
  readonly ends: string;
};

type Chapter = Pick<Turn, 'name' | 'old' | 'new' | 'ends'> & {
  /** Whether the way there is shown, or only what comes after the boot. */
  readonly showsInstallation: boolean;
};

/**
 * A host is updated, goes back by a flip, and is given a release that it is not well with; with slots that take a boot each of
 * these takes two turns or three. Each turn is handed out before it is done, and its beginning is restored before the next.
 */
export async function* storyOf(host: PowerFailHost): AsyncGenerator<Turn> {
  const { world } = host;
  const rollout = await world.start('2.1.0');
  world.answer = sendTo('2.1.0');
  yield* chapterOf(host, {
    ...{ name: 'update', old: '2.0.0', new: '2.1.0', ends: '2.1.0', showsInstallation: true },
  });

  const before = await world.start('2.0.0');
  await world.verb(rollBackVerb(rollout, before.release, world.now));
  world.answer = sendTo('2.0.0', { rolloutId: rollout.id, direction: 'rollback' });
  yield* chapterOf(host, {
    ...{ name: 'flip back', old: '2.1.0', new: '2.0.0', ends: '2.0.0', showsInstallation: true },
  });

  await host.publish('2.2.0');
  await world.start('2.2.0');
  world.answer = sendTo('2.2.0');
  await host.setSick(true);
  yield* chapterOf(host, {
    ...{ name: 'sick release', old: '2.0.0', new: '2.2.0', ends: '2.0.0' },
    showsInstallation: host.kind.slots === 'directory',
  });
}

async function* chapterOf(
  host: PowerFailHost,
  { showsInstallation, ...chapter }: Chapter,
): AsyncGenerator<Turn> {
  const turns = host.kind.slots === 'directory' ? [''] : [': until the boot', ': after the boot'];
  const isSick = chapter.ends === chapter.old;
  if (isSick && host.kind.slots !== 'directory') turns.push(': after the boot back');
  for (const [index, turn] of turns.entries()) {
    if (index > 0) await host.boot();
    const begin = readTree(host.folder);
    const { active } = await (await host.agent()).slots.read();
    const runs = active?.release.version ?? 'nothing';
    if (index > 0 || showsInstallation) {
      yield { ...chapter, name: `${chapter.name}${turn}`, begin, runs };
    }
    writeTree(host.folder, begin);
    await runCycle(await host.agent());
  }
}
