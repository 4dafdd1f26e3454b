import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { provision } from '../../agent/provision.ts';
import { COMPILE_CACHE } from './compile-cache.ts';
import { hostWorld, sendTo, stay } from './host-world.ts';
import type { HostWorld } from './host-world.ts';

const support = (file: string) => new URL(file, import.meta.url).pathname;

type Ended = {
  readonly code: number | null;
  readonly signal: string | null;
  readonly said: string;
};

/** Runs the real `agent once` in a process of its own, killed at its `killAt`-th fsync; 0 lets it live. */
export async function agentOnce(world: HostWorld, killAt: number): Promise<Ended> {
  const child = spawn(
    process.execPath,
    [
      ...['--import', support('kill-at-fsync.mjs'), support('agent-once.ts')],
      ...['--config', world.configFile, '--json'],
    ],
    {
      env: { ...process.env, ...COMPILE_CACHE, KILL_AT_FSYNC: String(killAt) },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const said: string[] = [];
  child.stdout.on('data', (chunk) => said.push(String(chunk)));
  child.stderr.on('data', (chunk) => said.push(String(chunk)));
  await once(child, 'close');
  return { code: child.exitCode, signal: child.signalCode, said: said.join('') };
}

export type KillStory = {
  readonly kills: number;
  readonly updates: number;
  /** Reports of success by version, counted by their ids as the server does. */
  readonly reported: Readonly<Record<string, number>>;
  readonly everyKillPoint: ReadonlySet<number>;
};

/**
 * Updates a host from release to release while its agent is killed at one fsync after another. After every death the active
 * slot must be whole and hold the old or the new release; `activeVersion` throws otherwise.
 */
export async function killAgain(kills: number, nextKillAt: () => number): Promise<KillStory> {
  await using world = await hostWorld({ now: new Date() });
  await provision(await world.agent(), '1.0.0');
  const ids = new Map<string, Set<string>>();
  const everyKillPoint = new Set<number>();
  let done = 0;
  let updates = 0;
  for (let minor = 1; done < kills; minor += 1) {
    const [from, to] = [`1.${minor - 1}.0`, `1.${minor}.0`];
    if (minor > 1) await world.publish(to);
    await world.start(to);
    const order = sendTo(to);
    world.answer = (checkIn) => {
      for (const { id, outcome, to: version } of checkIn.reports ?? []) {
        const key = `${outcome} ${version}`;
        ids.set(key, (ids.get(key) ?? new Set()).add(id));
      }
      return checkIn.host.version === to ? stay('up-to-date') : order(checkIn);
    };
    for (let isDead = true; isDead;) {
      const killAt = done < kills ? nextKillAt() : 0;
      const { code, signal, said } = await agentOnce(world, killAt);
      isDead = signal === 'SIGKILL';
      if (isDead) {
        done += 1;
        everyKillPoint.add(killAt);
      } else if (code !== 0) throw new Error(`agent once ended with ${code}: ${said}`);
      const version = await world.activeVersion();
      const isExpected = isDead ? version === from || version === to : version === to;
      if (!isExpected) throw new Error(`${version} is active between ${from} and ${to}: ${said}`);
    }
    updates += 1;
  }
  // What is still unsent goes out with the next poll.
  await agentOnce(world, 0);
  const counted = [...ids].map(([key, set]) => [key, set.size] as const);
  return { kills: done, updates, reported: Object.fromEntries(counted), everyKillPoint };
}
