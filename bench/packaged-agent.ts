import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OLD_VERSION, PLATFORM } from './bench-fleet.ts';
import { IN_FOLDER, makeRepository, startRollout, startServer } from './bench-server.ts';
import { measureProgram } from './measured-process.ts';
import { until } from './runs.ts';

const CONFIG = 'agent.toml';
const ASK_AGAIN_MS = 500;
const LOOK_MS = 20;

/** Tells an agent of the repository below `cwd` and of a server on this port. */
export async function writeAgentConfig(cwd: string, port: number): Promise<string> {
  const { variant, arch } = PLATFORM;
  const text = `state = 'agent-state'
[host]
id = 'bench-host'
seed = 0
variant = '${variant}'
arch = '${arch}'
[server]
url = 'http://127.0.0.1:${port}'
[repository]
root = '${IN_FOLDER.url.replace('file:', '')}/metadata/1.root.json'
[slots]
kind = 'directory'
path = 'slots'
`;
  await writeFile(join(cwd, CONFIG), text);
  return CONFIG;
}

/** The most memory that `agent once` takes, from the packaged program's start to its end, in the cycle that installs the image. */
export async function peakOfInstallation(
  cwd: string,
  program: string,
  image: string,
): Promise<number> {
  await makeRepository(cwd, { image });
  await using server = await startServer(cwd, { state: ['sqlite:state.db'] });
  await startRollout(server);
  const options = ['--config', await writeAgentConfig(cwd, server.port)];
  await measureProgram(cwd, program, ['agent', 'provision', ...options, '--version', OLD_VERSION]);
  let peakRssMiB = 0;
  await until(async () => {
    const cycle = await watchedCycle(cwd, [program, 'agent', 'once', '--json', ...options]);
    peakRssMiB = cycle.peakRssMiB;
    return cycle.said.includes('"result":"updated"');
  }, ASK_AGAIN_MS);
  return peakRssMiB;
}

async function watchedCycle(cwd: string, [program = '', ...argv]: readonly string[]) {
  const child = spawn(program, argv, { cwd, stdio: ['ignore', 'pipe', 'ignore'] });
  const said: string[] = [];
  child.stdout.on('data', (chunk) => said.push(String(chunk)));
  let peakRssMiB = 0;
  const looking = setInterval(() => {
    peakRssMiB = Math.max(peakRssMiB, peakSoFarMiB(child.pid));
  }, LOOK_MS);
  await once(child, 'close');
  clearInterval(looking);
  return { peakRssMiB, said: said.join('') };
}

/** 0 for a process that has ended. */
function peakSoFarMiB(pid: number | undefined): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) / 1024;
}
