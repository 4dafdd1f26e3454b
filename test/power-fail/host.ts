import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AgentContext } from '../../agent/context.ts';
import { provision } from '../../agent/provision.ts';
import { openDisk } from '../../agent/slots/disk-file.ts';
import { changeBits } from '../../agent/slots/gpt-bits.ts';
import { readGpt } from '../../agent/slots/gpt-disk.ts';
import { findSets, PART_NAMES } from '../../core/gpt/sets.ts';
import { afterBootOf, CLEARED, nextToBoot, readBits } from '../../core/gpt/slot-bits.ts';
import type { SectorSize } from '../../core/gpt/header.ts';
import { sampleCopy, sampleDisk, slotPartitions } from '../support/gpt-samples.ts';
import { bootFromDisk, makeBootDisk } from '../support/systemd-boot.ts';
import { hostWorld } from '../support/host-world.ts';
import type { HostWorld } from '../support/host-world.ts';
import type { Area } from './volatile-tree.ts';

/** What the slots of a host are. */
export type HostKind =
  | { readonly slots: 'directory' }
  | { readonly slots: 'gpt'; readonly sectorBytes: SectorSize }
  /** The example for systemd-boot, or a changed copy of it. */
  | { readonly slots: 'command'; readonly script: string };

/** Partitions begin and end at 4096 bytes with sectors of 512 too, as every tool makes them: 258 + 6 sectors each. */
const PARTITION_BYTES = 258 * 512;
const GAP_SECTORS = 6;

/** Stands for every program of `command` slots that changes files, and counts and disturbs them. */
export const SLOTS_TOOL = join(import.meta.dirname, 'slots-tool.sh');

const DISK = 'disk.img';
const PROGRAM_SETTINGS = 'systemd-boot.conf';
const COMMAND_LINE = 'cmdline';
/** While this file is there the host is not well. */
const SICK = 'sick';
/** While this file is there the program that boots the system kills the agent and does nothing else. */
const DEADLY = 'deadly';
/** What that program leaves otherwise, until the boot. */
const ORDERED = 'ordered';

/** A host whose files all lie in one folder, and the world around it. */
export class PowerFailHost implements AsyncDisposable {
  readonly kind: HostKind;
  readonly world: HostWorld;
  /** Raw images by version. */
  readonly images = new Map<string, Readonly<Record<string, Buffer>>>();

  private constructor(kind: HostKind, world: HostWorld) {
    this.kind = kind;
    this.world = world;
  }

  /** A host that runs 2.0.0 and was found good. */
  static async open(kind: HostKind): Promise<PowerFailHost> {
    const host = new PowerFailHost(kind, await hostWorld());
    const { world } = host;
    const settings = await readFile(world.configFile, 'utf8');
    const own = `${settings
      .slice(0, settings.indexOf('[slots]'))
      .replace("state = 'state'", "state = 'host/state'")}${host.#slotSettings()}`;
    await writeFile(world.configFile, own);
    await writeFile(host.toolsConfigFile, own.replace("program = ['", `$&${SLOTS_TOOL}', '`));
    await mkdir(host.folder);
    await host.#makeDisk();
    await host.publish('2.0.0');
    await host.publish('2.1.0', ['2.0.0']);
    await provision(await host.agent(), '2.0.0');
    await host.boot();
    return host;
  }

  get folder(): string {
    return join(this.world.folder, 'host');
  }

  /** As `world.configFile`, but slots-tool.sh stands for the slots' program. */
  get toolsConfigFile(): string {
    return join(this.world.folder, 'agent-tools.toml');
  }

  get name(): string {
    switch (this.kind.slots) {
      case 'directory':
        return 'directory';
      case 'gpt':
        return `gpt, ${this.kind.sectorBytes}-byte sectors`;
      case 'command':
        return 'command, systemd-boot';
    }
  }

  agent(): Promise<AgentContext> {
    return this.world.agent();
  }

  async publish(version: string, rollbackTo: readonly string[] = []): Promise<void> {
    // Where the example for systemd-boot has a file for it.
    const hasBoot = this.kind.slots === 'command';
    this.images.set(version, await this.world.publish(version, { rollbackTo, hasBoot }));
  }

  async setSick(isSick: boolean): Promise<void> {
    await this.#setFile(SICK, isSick);
  }

  /** Whether the agent dies when it asks the system to boot, before that has heard of it. */
  async setDeadly(isDeadly: boolean): Promise<void> {
    await this.#setFile(DEADLY, isDeadly);
  }

  /** Whether the system was asked to boot since it booted. */
  isToldToBoot(): boolean {
    return existsSync(join(this.world.folder, ORDERED));
  }

  async forgetOrder(): Promise<void> {
    await this.#setFile(ORDERED, false);
  }

  /** What the slots say runs from now on. Throws if nothing boots. */
  async boot(): Promise<void> {
    await this.forgetOrder();
    if (this.kind.slots === 'directory') return;
    if (this.kind.slots === 'command') {
      if ((await bootFromDisk(this.folder)) === null) throw new Error('nothing boots');
      return;
    }
    const disk = join(this.folder, DISK);
    const place = { disk, active: 'auto', kernelCommandLine: '' } as const;
    await using opened = await openDisk(disk, 'read');
    const { a, b } = findSets((await readGpt(opened)).entries);
    const pair = { a: readBits(a.boot.attributes), b: readBits(b.boot.attributes) };
    const side = nextToBoot(pair);
    if (side === null) throw new Error('nothing boots');
    await changeBits(place, { step: () => afterBootOf(pair, side) });
    const { root } = { a, b }[side];
    await writeFile(join(this.folder, COMMAND_LINE), `quiet root=PARTUUID=${root.uniqueGuid}\n`);
  }

  /** Where the devices of the partitions lie on the disk. */
  async areas(): Promise<ReadonlyMap<string, readonly Area[]>> {
    if (this.kind.slots !== 'gpt') return new Map();
    await using disk = await openDisk(join(this.folder, DISK), 'read');
    const { entries, sectorSize } = await readGpt(disk);
    const { a, b } = findSets(entries);
    const areas = [a, b]
      .flatMap((set) => PART_NAMES.map((name) => set[name]))
      .map(({ firstLba, lastLba }) => ({
        from: firstLba * sectorSize,
        to: (lastLba + 1) * sectorSize,
      }))
      .toSorted((one, other) => one.from - other.from);
    return new Map([[DISK, areas]]);
  }

  #slotSettings(): string {
    const [sick, deadly, ordered] = [SICK, DEADLY, ORDERED].map(
      (name) => `'${join(this.world.folder, name)}'`,
    );
    const well = `test ! -e ${sick}`;
    const order = `if test -e ${deadly}; then kill -KILL $PPID; else : >${ordered}; fi`;
    return [
      ...['[slots]', `kind = '${this.kind.slots}'`, ...this.#slotKeys()],
      ...['[health]', `command = ['/bin/sh', '-c', "${well}"]`],
      ...['[reboot]', "policy = 'automatic'", `command = ['/bin/sh', '-c', "${order}"]`, ''],
    ].join('\n');
  }

  #slotKeys(): readonly string[] {
    switch (this.kind.slots) {
      case 'directory':
        return ["path = 'host/slots'"];
      case 'gpt':
        return [`disk = 'host/${DISK}'`, `kernel-command-line = 'host/${COMMAND_LINE}'`];
      case 'command':
        return [`program = ['${this.kind.script}', '${this.#programSettings}']`];
    }
  }

  async #setFile(name: string, isThere: boolean): Promise<void> {
    const file = join(this.world.folder, name);
    await (isThere ? writeFile(file, '') : rm(file, { force: true }));
  }

  get #programSettings(): string {
    return join(this.world.folder, PROGRAM_SETTINGS);
  }

  async #makeDisk(): Promise<void> {
    if (this.kind.slots === 'directory') return;
    if (this.kind.slots === 'command') {
      await writeFile(this.#programSettings, await makeBootDisk(this.folder, PARTITION_BYTES));
      return;
    }
    const { sectorBytes: sectorSize } = this.kind;
    const partitions = slotPartitions({ a: CLEARED, b: CLEARED }, PARTITION_BYTES);
    const gap = sectorSize === 512 ? GAP_SECTORS : 0;
    await writeFile(
      join(this.folder, DISK),
      sampleDisk(sampleCopy(partitions, { sectorSize, gap })),
    );
    await writeFile(join(this.folder, COMMAND_LINE), 'quiet root=/dev/sr0\n');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.world[Symbol.asyncDispose]();
  }
}
