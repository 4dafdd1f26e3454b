import { chmod, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CommandSlots } from '../../../agent/slots/command.ts';
import type { SlotName } from '../../../agent/slots/command-protocol.ts';
import type { Program } from '../../../agent/programs.ts';
import { bootFromDisk, makeBootDisk } from '../../support/systemd-boot.ts';
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
  const conf = join(folder, 'conf');
  await writeFile(conf, await makeBootDisk(folder, partitionBytes));
  const program = [script, conf] as const;
  let running: SlotName | null = null;
  return {
    ...{ folder, program: [...program] },
    entries: join(folder, 'esp', 'loader', 'entries'),
    slots: () => new CommandSlots({ program: [...program], timeoutMs: 60_000 }),
    async boot() {
      const taken = await bootFromDisk(folder);
      running = taken ?? running;
      return taken;
    },
    running: () => running,
    pathOf: (image, slot) =>
      image === 'boot'
        ? join(folder, 'esp', 'tidegate', slot, 'boot.efi')
        : join(folder, 'devices', `${image}-${slot}`),
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
