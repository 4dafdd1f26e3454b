import { open, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { viewSlots } from '../../agent/slots/gpt-bits.ts';
import { nextToBoot } from '../../core/gpt/slot-bits.ts';
import type { RolloutView } from '../../core/rollout-view.ts';
import { SLOT_TYPES, PART_NAMES } from '../../core/gpt/sets.ts';
import { Processes } from '../../demo/processes.ts';
import { showRollout, startServer } from '../../demo/server.ts';
import type { DemoServer } from '../../demo/server.ts';
import { freePort } from '../support/free-port.ts';
import { PRIVATE_TYPE } from '../support/gpt-samples.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import type { Guest } from './guests.ts';
import { writeEmptyRoot, writeImages, writeLoader } from './images.ts';
import { Machine } from './machine.ts';
import { bootParts, tool } from './parts.ts';

const MIB = 2 ** 20;
const STATE_TYPE = '0fc63daf-8483-4772-8e79-3d69d8477de4';
const STATE_MIB = 32;
const STATE_PARTITION = 8;
const PLATFORM = ['--variant', 'metal-dev', '--arch', 'x86_64'];
const HOST = "[host]\nid = 'vm-1'\nvariant = 'metal-dev'\narch = 'x86_64'\n";

/** What a release is like: it boots and is well, boots and is not well, boots without an agent, or does not boot. */
export type Kind = 'well' | 'sick' | 'mute' | 'dead';

type WorldParts = {
  readonly folder: string;
  readonly processes: Processes;
  readonly server: DemoServer;
};

/**
 * A real server with a repository, and a virtual machine whose disk has two slots of GPT partitions. Slot A holds release 1.0.0,
 * installed by the agent.
 */
export class BootWorld implements AsyncDisposable {
  readonly machine: Machine;
  readonly #parts: WorldParts;
  readonly #stack: AsyncDisposableStack;

  constructor(machine: Machine, parts: WorldParts, stack: AsyncDisposableStack) {
    this.machine = machine;
    this.#parts = parts;
    this.#stack = stack;
  }

  /** Publishes a release and rolls it out to everyone; returns the id of the rollout. */
  async release(version: string, kind: Kind = 'well'): Promise<string> {
    const { folder, processes, server } = this.#parts;
    await publish(processes, folder, version, kind);
    return processes.must(
      ...['rollout', 'start', '--server', server.url, ...PLATFORM, '--version', version],
    );
  }

  /** How a rollout went, as the server tells it. */
  async rollout(id: string): Promise<Pick<RolloutView, 'counts' | 'failures'>> {
    const { folder, server } = this.#parts;
    return showRollout(server, folder, id);
  }

  /** The release that the disk would boot next; null if none. */
  async nextRelease(): Promise<string | null> {
    const place = { disk: join(this.#parts.folder, 'disk.img'), kernelCommandLine: '/nowhere' };
    const { gpt, sets, pair } = await viewSlots({ ...place, active: 'a' });
    const side = nextToBoot(pair);
    if (side === null) return null;
    await using disk = await open(place.disk, 'r');
    const at = sets[side].boot.firstLba * gpt.sectorSize;
    const { buffer } = await disk.read(Buffer.alloc(64), 0, 64, at);
    const [, version = null] = /^release (\S+)/.exec(buffer.toString('latin1')) ?? [];
    return version;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/** Makes all of it around what the machine is to be. */
export async function bootWorld(guest: Guest): Promise<BootWorld> {
  const stack = new AsyncDisposableStack();
  try {
    const { path: folder } = stack.use(await temporaryFolder());
    const parts = await bootParts();
    const processes = stack.use(new Processes(folder));
    await makeKeysAndRepository(processes);
    const server = await startServer(processes, await freePort());
    await makeRoots(folder, { parts, guest, port: new URL(server.url).port });
    await publish(processes, folder, '1.0.0', 'well');
    await makeDisk(folder, processes, server);
    const loader = join(folder, 'loader.cpio');
    await writeLoader(loader, parts);
    const machine = stack.use(new Machine({ parts, loader, disk: join(folder, 'disk.img') }));
    return new BootWorld(machine, { folder, processes, server }, stack);
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

async function makeKeysAndRepository(processes: Processes): Promise<void> {
  for (const name of ['root', 'targets', 'online', 'release']) {
    await processes.must('key', 'new', '--type', 'ed25519', '--out', `keys/${name}.pem`);
  }
  await processes.must(
    ...['repo', 'init', 'file:repo', '--root-key', 'file:keys/root.pem', '--root-threshold', '1'],
    ...['--targets-key', 'file:keys/targets.pem', '--online-key', 'file:keys/online.pem'],
    ...['--release-key', 'metal-dev:x86_64=file:keys/release.pem'],
  );
}

async function makeRoots(
  folder: string,
  { parts, guest, port }: Readonly<Record<'parts' | 'port', string>> & { readonly guest: Guest },
): Promise<void> {
  const config = `state = '/var/lib/tidegate'
${HOST}
[server]
url = 'http://10.0.2.2:${port}'
[repository]
root = 'root.json'
[slots]
kind = 'gpt'
disk = '/dev/vda'
kernel-command-line = '/run/cmdline'
${guest.config}`;
  const content = { parts, config, trustAnchor: join(folder, 'repo/metadata/1.root.json') };
  await guest.writeRoot(join(folder, 'well.squashfs'), { ...content, isMute: false });
  if (guest.canBeMute) {
    await guest.writeRoot(join(folder, 'mute.squashfs'), { ...content, isMute: true });
  }
  await writeEmptyRoot(join(folder, 'dead.squashfs'));
}

async function publish(
  processes: Processes,
  folder: string,
  version: string,
  kind: Kind,
): Promise<void> {
  const root = join(folder, `${kind === 'sick' ? 'well' : kind}.squashfs`);
  const health = kind === 'sick' ? 'sick' : 'well';
  const images = await writeImages(folder, { version, root, health });
  await processes.must(
    ...['publish', 'file:repo', ...PLATFORM, '--version', version],
    ...Object.entries(images).flatMap(([name, path]) => ['--image', `${name}=${path}`]),
    ...['--release-key', 'file:keys/release.pem', '--online-key', 'file:keys/online.pem'],
  );
}

/** A disk that the agent provisions from outside, with the state that it has then in a partition of its own. */
async function makeDisk(folder: string, processes: Processes, server: DemoServer): Promise<void> {
  const disk = join(folder, 'disk.img');
  const rootMiB = Math.ceil((await stat(join(folder, 'well.squashfs'))).size / MIB) + 4;
  const sizes = { boot: 1, root: rootMiB, hash: 1 };
  const slots = ['a', 'b'].flatMap(() => PART_NAMES.map((name) => [name, sizes[name]] as const));
  const partitions = [
    ...slots.map(([name, mib]) => ({ type: SLOT_TYPES[name], mib })),
    { type: PRIVATE_TYPE, mib: 1 },
    { type: STATE_TYPE, mib: STATE_MIB },
  ];
  await writeFile(disk, '');
  await truncate(disk, (4 + partitions.reduce((sum, { mib }) => sum + mib, 0)) * MIB);
  const made = partitions.flatMap(({ type, mib }, index) => [
    `--new=${index + 1}:0:+${mib}M`,
    `--typecode=${index + 1}:${type}`,
  ]);
  await tool('sgdisk', ...made, disk);
  await provision(folder, processes, server);
  const info = await tool('sgdisk', '-i', String(STATE_PARTITION), disk);
  const [, firstSector = ''] = /^First sector: (\d+)/m.exec(info) ?? [];
  const state = join(folder, 'state.img');
  await tool(
    'mke2fs',
    '-q',
    '-t',
    'ext4',
    '-d',
    join(folder, 'host/state'),
    state,
    `${STATE_MIB}M`,
  );
  await using handle = await open(disk, 'r+');
  await handle.write(await readFile(state), 0, null, Number(firstSector) * 512);
}

async function provision(folder: string, processes: Processes, server: DemoServer): Promise<void> {
  const config = `state = 'host/state'
${HOST}
[server]
url = '${server.url}'
[repository]
root = 'repo/metadata/1.root.json'
[slots]
kind = 'gpt'
disk = 'disk.img'
kernel-command-line = 'cmdline'
`;
  await writeFile(join(folder, 'cmdline'), 'quiet');
  await writeFile(join(folder, 'host.toml'), config);
  await processes.must('agent', 'provision', '--config', 'host.toml', '--version', '1.0.0');
}
