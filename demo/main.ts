import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Processes } from './processes.ts';
import { Screen } from './screen.ts';
import { tellStory } from './story.ts';

const { values } = parseArgs({
  options: { exit: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } },
});

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    stop.abort();
  });
}

const folder = join(import.meta.dirname, '.work');
await rm(folder, { recursive: true, force: true });
await mkdir(folder, { recursive: true });

const WAVES = `# Six days of waves, compressed to seconds.
${[
  [1, 10],
  [3, 25],
  [7, 60],
  [12, 90],
  [16, 100],
]
  .map(
    ([seconds, percentage]) =>
      `[[waves]]\nstart_after = '${seconds} seconds'\nfleet_percentage = ${percentage}\n`,
  )
  .join('\n')}`;
await writeFile(join(folder, 'waves.toml'), WAVES);

const screen = new Screen(process.stdout);
await using processes = new Processes(folder);
try {
  const { outcome, url, rolloutId } = await tellStory({
    processes,
    folder,
    screen,
    signal: stop.signal,
  });
  const isAsPromised =
    outcome.updated === outcome.hosts &&
    outcome.movedWhilePaused === 0 &&
    outcome.rolledBack === outcome.hosts &&
    outcome.bytesFetchedOnRollback === 0 &&
    outcome.broken === 0;
  process.exitCode = isAsPromised ? 0 : 1;
  screen.say(isAsPromised ? 'Every promise held.' : 'A promise was broken, see above.');
  if (values.exit) {
    if (values.json) screen.say(JSON.stringify(outcome));
  } else {
    await keepRunning(url, rolloutId);
  }
} catch (error) {
  if (!stop.signal.aborted) {
    process.exitCode = 1;
    screen.say(`The demo failed: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function keepRunning(url: string, rolloutId: string): Promise<void> {
  const cli = `XDG_STATE_HOME=${folder} npx tidegate`;
  screen.say(`
The server and the hosts keep running. Try, in another terminal:

  ${cli} rollout list --server ${url}
  ${cli} rollout show ${rolloutId} --server ${url}
  ${cli} rollout start --server ${url} --variant aws-k8s-1.32 --arch x86_64 --version 1.1.0 --policy ${folder}/waves.toml
  ${cli} repo status file:${folder}/repo
  ${cli} agent status --config ${folder}/hosts/host-01/agent.toml
  curl -s ${url}/readyz
  curl -s ${url}/metrics | grep tidegate

Ctrl-C ends everything.`);
  if (stop.signal.aborted) return;
  await new Promise((resolve) => {
    // A timer keeps the process alive until a signal comes.
    const timer = setInterval(() => {}, 60_000);
    stop.signal.addEventListener('abort', () => {
      clearInterval(timer);
      resolve(undefined);
    });
  });
}
