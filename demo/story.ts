import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { activeVersion, configureHost, demoHosts, isWhole, PLATFORM } from './hosts.ts';
import type { DemoHost } from './hosts.ts';
import type { Processes } from './processes.ts';
import { makeRepository } from './repository.ts';
import type { Screen } from './screen.ts';
import { showRollout, startServer } from './server.ts';
import type { DemoServer } from './server.ts';
import { bytesFetchedOnRollback } from './traffic.ts';

const HOSTS = 20;
const PAUSE_AT = 7;
const FRAME_MS = 250;
/** A host may have asked its last question before the pause; it needs no longer than this to finish. */
const SETTLE_MS = 2500;
const WATCH_MS = 4000;
const PATIENCE_MS = 90_000;

export type Outcome = {
  readonly hosts: number;
  readonly updated: number;
  readonly movedWhilePaused: number;
  readonly rolledBack: number;
  readonly bytesFetchedOnRollback: number;
  readonly broken: number;
};

type Stage = {
  readonly processes: Processes;
  readonly folder: string;
  readonly screen: Screen;
  readonly signal: AbortSignal;
};

type Scene = Stage & {
  readonly server: DemoServer;
  readonly hosts: readonly DemoHost[];
  readonly rolloutId: string;
};

/** The main job from keys to a rollback; what it returns is measured, not assumed. */
export async function tellStory(
  stage: Stage,
): Promise<{ readonly outcome: Outcome; readonly url: string; readonly rolloutId: string }> {
  const { processes, folder, screen } = stage;
  screen.say('Making keys and a repository with releases 1.0.0 and 1.1.0 ...');
  await makeRepository(processes, folder);
  const server = await startServer(processes);
  screen.say(`The server listens on ${server.url}.`);
  const hosts = await startHosts(stage, server);
  screen.say(`${HOSTS} hosts run 1.0.0. Opening the waves of 1.1.0 ...`);
  const rolloutId = await processes.must(
    ...['rollout', 'start', '--server', server.url, '--variant', PLATFORM.variant],
    ...['--arch', PLATFORM.arch, '--version', '1.1.0', '--policy', 'waves.toml'],
  );
  const scene = { ...stage, server, hosts, rolloutId };

  await watch(scene, 'rising', '1.1.0', (count) => count >= PAUSE_AT);
  const movedWhilePaused = await pauseAndWatch(scene);
  await verb(scene, 'resume');
  const updated = await watch(scene, 'resumed', '1.1.0', (count) => count === HOSTS);

  screen.say('Rolling back to 1.0.0 ...');
  await verb(scene, 'rollback', '--to', '1.0.0', '--reason', 'to show the way back');
  const rolledBack = await watch(scene, 'rolled back', '1.0.0', (count) => count === HOSTS);
  // A host says how its cycle went a moment after its slot is active.
  await sleep(FRAME_MS * 4);
  const fetched = await bytesFetchedOnRollback(hosts);
  screen.say(
    `${rolledBack} hosts are back on 1.0.0; they fetched ${fetched} bytes of images for it.`,
  );

  const whole = await Promise.all(hosts.map(isWhole));
  const broken = whole.filter((isGood) => !isGood).length;
  const outcome = {
    ...{ hosts: HOSTS, updated, movedWhilePaused, rolledBack },
    ...{ bytesFetchedOnRollback: fetched, broken },
  };
  return { outcome, url: server.url, rolloutId };
}

async function startHosts({ processes, folder, screen }: Stage, server: DemoServer) {
  const hosts = demoHosts(folder, HOSTS);
  const root = join(folder, 'repo', 'metadata', '1.root.json');
  screen.say(`Provisioning ${HOSTS} hosts with 1.0.0 ...`);
  const waiting = [...hosts];
  const work = async () => {
    for (let host = waiting.shift(); host !== undefined; host = waiting.shift()) {
      const config = await configureHost(host, server.url, root);
      await processes.must('agent', 'provision', '--config', config, '--version', '1.0.0');
      processes.start(join('hosts', host.id, 'agent.log'), 'agent', 'run', '--config', config);
    }
  };
  await Promise.all([work(), work()]);
  return hosts;
}

async function pauseAndWatch(scene: Scene): Promise<number> {
  await verb(scene, 'pause', '--reason', 'to show that nobody moves');
  scene.screen.say('Paused. Nobody may move now ...');
  await sleep(SETTLE_MS);
  const before = await versions(scene.hosts);
  const until = Date.now() + WATCH_MS;
  while (Date.now() < until) await draw(scene, 'paused', '1.1.0');
  const after = await versions(scene.hosts);
  const moved = after.filter((version, index) => version !== before[index]).length;
  scene.screen.say(`${moved} hosts moved while it was paused. Resuming ...`);
  return moved;
}

/** Draws until `isDone`, and returns how many hosts run the wanted version then. */
async function watch(
  scene: Scene,
  title: string,
  wanted: string,
  isDone: (count: number) => boolean,
): Promise<number> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const count = await draw(scene, title, wanted);
    if (isDone(count) || Date.now() > deadline) return count;
  }
}

async function draw(scene: Scene, title: string, wanted: string): Promise<number> {
  scene.signal.throwIfAborted();
  const { hosts, server, folder, rolloutId, screen } = scene;
  const view = await showRollout(server, folder, rolloutId);
  const running = await versions(hosts);
  screen.draw({
    title,
    tide: view.tide.seeds,
    hosts: hosts.map(({ id }, index) => ({ id, version: running[index] ?? null })),
    wanted,
  });
  await sleep(FRAME_MS);
  return running.filter((version) => version === wanted).length;
}

function versions(hosts: readonly DemoHost[]): Promise<readonly (string | null)[]> {
  return Promise.all(hosts.map(activeVersion));
}

async function verb(scene: Scene, name: string, ...more: readonly string[]): Promise<void> {
  await scene.processes.must(
    ...['rollout', name, scene.rolloutId, '--server', scene.server.url],
    ...more,
    ...(name === 'resume' ? [] : ['--yes']),
  );
}
