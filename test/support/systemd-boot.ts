import { mkdir, readdir, readFile, rename, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SlotName } from '../../agent/slots/command-protocol.ts';

/** An entry of a slot, as systemd-boot finds it. */
export type BootEntry = {
  readonly name: string;
  readonly slot: SlotName;
  /** Null for an entry without a counter. */
  readonly triesLeft: number | null;
  readonly version: number;
};

const ENTRIES = ['esp', 'loader', 'entries'] as const;
const SELECTED = 'LoaderEntrySelected-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f';

/** Lays an ESP, variables of EFI and partitions out in a folder, and returns what the example program must be told of them. */
export async function makeBootDisk(folder: string, partitionBytes: number): Promise<string> {
  const at = (...parts: readonly string[]) => join(folder, ...parts);
  for (const made of [at(...ENTRIES), at('devices'), at('efivars')])
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
  return `${lines.join('')}options='root=PARTLABEL=root-@slot@'\ntries=3\n`;
}

/** Boots as systemd-boot does: takes a try by a rename, and tells which entry it took. Null if there is none. */
export async function bootFromDisk(folder: string): Promise<SlotName | null> {
  const [first] = bootOrder(await readEntries(folder));
  if (first === undefined) return null;
  const taken = afterTry(first.name);
  await rename(join(folder, ...ENTRIES, first.name), join(folder, ...ENTRIES, taken));
  const text = Buffer.from(`${taken}\0`, 'utf16le');
  const variable = Buffer.concat([Buffer.from([6, 0, 0, 0]), text]);
  await writeFile(join(folder, 'efivars', SELECTED), variable);
  return first.slot;
}

export async function readEntries(folder: string): Promise<readonly BootEntry[]> {
  const names = await readdir(join(folder, ...ENTRIES));
  return Promise.all(
    names
      .filter((name) => name.endsWith('.conf'))
      .map(async (name) => {
        const text = await readFile(join(folder, ...ENTRIES, name), 'utf8');
        const left = /\+(\d+)(?:-\d+)?\.conf$/.exec(name)?.[1];
        return {
          name,
          slot: name.startsWith('tidegate-a') ? 'a' : 'b',
          triesLeft: left === undefined ? null : Number(left),
          version: Number(/^version (\d+)$/m.exec(text)?.[1]),
        };
      }),
  );
}

/** Entries without tries left come last; of the others the highest version is first. */
export function bootOrder(entries: readonly BootEntry[]): readonly BootEntry[] {
  const isBad = ({ triesLeft }: BootEntry) => Number(triesLeft === 0);
  return entries.toSorted((a, b) => isBad(a) - isBad(b) || b.version - a.version);
}

/** `x+3.conf` becomes `x+2-1.conf`; what has no counter, or nothing left in it, stays. */
function afterTry(name: string): string {
  const [, stem, left = '0', done = '0'] = /^(.*)\+(\d+)(?:-(\d+))?\.conf$/.exec(name) ?? [];
  if (stem === undefined || left === '0') return name;
  return `${stem}+${Number(left) - 1}-${Number(done) + 1}.conf`;
}
