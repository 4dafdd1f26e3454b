import { chmod, mkdir, readdir, readFile, rename, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CommandSlots } from '../../../agent/slots/command.ts';
import type { SlotName } from '../../../agent/slots/command-protocol.ts';
import type { Program } from '../../../agent/programs.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

export const SYSTEMD_BOOT_EXAMPLE = join(
  import.meta.dirname,
  '..',
  '..',
  '..',
  'examples/slots/systemd-boot/systemd-boot.sh',
);

/** No power is cut here, and to sync a disk at every step would only take time. */
const IN_MEMORY = '/dev/shm';

export type SystemdBootHost = AsyncDisposable & {
  readonly folder: string;
  readonly entries: string;
  readonly program: Program;
  slots(): CommandSlots;
  /** Boots as systemd-boot does: takes a try by a rename, and tells which entry it took. Null if there is none. */
  boot(): Promise<SlotName | null>;
  /** The slot of the last boot. */
  running(): SlotName | null;
  /** The file or partition of an image. */
  pathOf(image: string, slot: SlotName): string;
};

/** A host with an ESP and partitions in a folder, driven by the example program or a changed copy of it. */
export async function systemdBootHost({
  script = SYSTEMD_BOOT_EXAMPLE,
  partitionBytes = 9 * 1024 * 1024,
}: {
  readonly script?: string;
  readonly partitionBytes?: number;
} = {}): Promise<SystemdBootHost> {
  const { path: folder, [Symbol.asyncDispose]: dispose } = await temporaryFolder(IN_MEMORY);
  const at = (...parts: readonly string[]) => join(folder, ...parts);
  const entries = at('esp', 'loader', 'entries');
  for (const made of [entries, at('devices'), at('efivars')])
    await mkdir(made, { recursive: true });
  for (const image of ['root', 'hash']) {
    for (const slot of ['a', 'b']) {
      const device = at('devices', `${image}-${slot}`);
      await writeFile(device, '');
      await truncate(device, partitionBytes);
    }
  }
  const settings = { boot: at('esp'), devices: at('devices'), efivars: at('efivars') };
  const lines = Object.entries(settings).map(([key, value]) => `${key}='${value}'\n`);
  await writeFile(at('conf'), `${lines.join('')}options='root=PARTLABEL=root-@slot@'\ntries=3\n`);
  const program = [script, at('conf')] as const;
  let running: SlotName | null = null;
  return {
    ...{ folder, entries, program: [...program] },
    slots: () => new CommandSlots({ program: [...program], timeoutMs: 60_000 }),
    async boot() {
      const taken = await takeEntry(entries);
      if (taken === null) return null;
      running = taken.startsWith('tidegate-a') ? 'a' : 'b';
      const variable = `LoaderEntrySelected-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f`;
      const text = Buffer.from(`${taken}\0`, 'utf16le');
      await writeFile(at('efivars', variable), Buffer.concat([Buffer.from([6, 0, 0, 0]), text]));
      return running;
    },
    running: () => running,
    pathOf: (image, slot) =>
      image === 'boot'
        ? at('esp', 'tidegate', slot, 'boot.efi')
        : at('devices', `${image}-${slot}`),
    [Symbol.asyncDispose]: dispose,
  };
}

/** A copy of the example program in which something else stands in the place of one text. */
export async function changedExample(
  line: string,
  instead: string,
): Promise<AsyncDisposable & { readonly script: string }> {
  const { path, [Symbol.asyncDispose]: dispose } = await temporaryFolder(IN_MEMORY);
  let count = 0;
  for (const name of ['systemd-boot.sh', 'protocol.sh']) {
    const good = await readFile(join(dirname(SYSTEMD_BOOT_EXAMPLE), name), 'utf8');
    count += good.split(line).length - 1;
    await writeFile(
      join(path, name),
      good.replace(line, () => instead),
    );
  }
  if (count !== 1) throw new Error(`the example has ${JSON.stringify(line)} ${count} times`);
  const script = join(path, 'systemd-boot.sh');
  await chmod(script, 0o755);
  return { script, [Symbol.asyncDispose]: dispose };
}

type Entry = { readonly name: string; readonly left: number | null; readonly version: number };

/** The entry that systemd-boot takes, under the name that it has from then on. */
async function takeEntry(folder: string): Promise<string | null> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.conf'));
  const entries = await Promise.all(names.map((name) => readEntry(folder, name)));
  // Entries without tries left come last; of the others the highest version is first.
  const isBad = ({ left }: Entry) => Number(left === 0);
  const [first] = entries.toSorted((a, b) => isBad(a) - isBad(b) || b.version - a.version);
  if (first === undefined) return null;
  const taken = afterTry(first.name);
  await rename(join(folder, first.name), join(folder, taken));
  return taken;
}

async function readEntry(folder: string, name: string): Promise<Entry> {
  const text = await readFile(join(folder, name), 'utf8');
  const left = /\+(\d+)(?:-\d+)?\.conf$/.exec(name)?.[1];
  return {
    name,
    left: left === undefined ? null : Number(left),
    version: Number(/^version (\d+)$/m.exec(text)?.[1]),
  };
}

/** `x+3.conf` becomes `x+2-1.conf`; what has no counter, or nothing left in it, stays. */
function afterTry(name: string): string {
  const [, stem, left = '0', done = '0'] = /^(.*)\+(\d+)(?:-(\d+))?\.conf$/.exec(name) ?? [];
  if (stem === undefined || left === '0') return name;
  return `${stem}+${Number(left) - 1}-${Number(done) + 1}.conf`;
}
