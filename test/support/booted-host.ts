import { appendFile, readFile, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { runCycle } from '../../agent/cycle.ts';
import { inhibit } from '../../agent/inhibitors.ts';
import type { Verb } from '../../agent/legal-verbs.ts';
import { provision } from '../../agent/provision.ts';
import { statusOf } from '../../agent/status.ts';
import { runVerb } from '../../agent/verbs.ts';
import { BootedSlots } from './booted-slots.ts';
import { hostWorld, sendTo } from './host-world.ts';
import type { HostWorld } from './host-world.ts';
import { HOUR_MS } from './rollouts.ts';

const HOOKS = [
  'before-prepare',
  'before-reboot',
  'after-confirm',
  'after-failure',
  'after-fallback',
];

/** What boots by itself, and is well on its first release alone. */
export const SICK_ON_NEW = ({ folder }: HostWorld): string =>
  `[health]\ncommand = ['/bin/sh', '-c', 'echo sick; readlink "${folder}/slots/active" | grep a']\n`;

/**
 * A host on 1.0.0 that a boot loader chooses the slots of, whose agent boots it by itself, and 1.1.0 rolled out to it. Each
 * hook writes down its name; `before-reboot` says no while there is a file `veto`.
 */
export async function bootedHost(config: (world: HostWorld) => string = () => '') {
  const world = await hostWorld();
  const { folder } = world;
  const programOf = (name: string) => {
    const veto = name === 'before-reboot' ? `; test ! -e ${folder}/veto` : '';
    return `${name} = ['/bin/sh', '-c', 'echo ${name} >> ${folder}/hooks${veto}']`;
  };
  const hooks = [...HOOKS, 'after-cancel'].map(programOf).join('\n');
  await appendFile(
    world.configFile,
    `[reboot]\npolicy = 'automatic'\n[hooks]\n${hooks}\n${config(world)}`,
  );
  await provision(await world.agent(), '1.0.0');
  const rollout = await world.start('1.1.0');
  world.answer = sendTo('1.1.0');
  const machine = new BootedSlots((await world.agent()).slots);
  /** An agent that was started anew on a machine that boots. */
  const agent = async () => ({ ...(await world.agent()), slots: machine.slots, system: machine });
  return {
    ...{ world, rollout, machine, agent },
    once: async () => runCycle(await agent()),
    verb: async (verb: Verb) => runVerb(await agent(), verb),
    status: async () => statusOf(await agent()),
    stateOf: async () => (await (await agent()).journal.read()).state,
    /** Which hooks were run so far. */
    hooks: async () => {
      const text = await readFile(join(folder, 'hooks'), 'utf8').catch(() => '');
      return text.split('\n').filter((line) => line !== '');
    },
    /** Somebody holds boots back, for an hour from the time of the world. */
    holdBoots: async () => {
      const { inhibitorFolder } = (await agent()).config;
      const until = new Date(world.now.getTime() + HOUR_MS);
      await inhibit(inhibitorFolder, { name: 'backup', why: 'nightly', what: ['reboot'], until });
      await utimes(join(inhibitorFolder, 'backup'), world.now, world.now);
      return until;
    },
    outcomes: () =>
      world.checkIns.flatMap(({ reports = [] }) =>
        reports.map(({ outcome, stage }) => `${outcome} ${stage}`),
      ),
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  };
}
