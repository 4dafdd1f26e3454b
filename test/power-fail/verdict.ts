import { readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { readIfThere } from '../../agent/durable.ts';
import { AgentError } from '../../agent/errors.ts';
import { Journal } from '../../agent/journal.ts';
import { ReportQueue } from '../../agent/reports.ts';
import { directorySlots } from '../../agent/slots/directory.ts';
import { openDisk } from '../../agent/slots/disk-file.ts';
import { readGpt } from '../../agent/slots/gpt-disk.ts';
import { GptSlots } from '../../agent/slots/gpt.ts';
import { parseOrNull } from '../../agent/slots/seal.ts';
import { TrustedStore } from '../../agent/tuf/trusted-store.ts';
import { findSets, PART_NAMES } from '../../core/gpt/sets.ts';
import { nextToBoot, otherSide, readBits } from '../../core/gpt/slot-bits.ts';
import type { Side } from '../../core/gpt/slot-bits.ts';
import { bootOrder, readEntries } from '../support/systemd-boot.ts';
import type { BootEntry } from '../support/systemd-boot.ts';
import type { PowerFailHost } from './host.ts';
import { writeTree } from './tree-on-disk.ts';
import type { Area, Tree } from './volatile-tree.ts';

/** A slot, by the agent's own code, and where the bytes of its images lie. */
type Found = {
  readonly version: string;
  readonly places: Readonly<Record<string, { readonly path: string; readonly at: number }>>;
};

/** What a host does that finds its files like this, before anyone looked at an image. */
type Look = {
  /** Null if nothing boots, or if the agent does not know what. */
  readonly booted: Found | null;
  /** What boots if the booted one never comes up or is not well; the booted one itself once it was found good. */
  readonly fallback: Found | null;
  /** Files of the agent's state that are damaged. */
  readonly damaged: readonly string[];
};

export type Verdict = {
  readonly boots: string | null;
  readonly fallsBackTo: string | null;
  readonly damaged: readonly string[];
};

const IMAGE_FILE = /^(?:slots\/[ab]\/[^.]+|devices\/.+|esp\/tidegate\/[ab]\/boot\.efi)$/;

/**
 * Says what a host would do with files as they are. The agent's own code opens them, from a folder of its own; that is done
 * once for states that differ only in what no such code reads: the bytes of images and temporary files. The images of what
 * boots are compared byte by byte each time.
 */
export class Judge {
  readonly #host: PowerFailHost;
  readonly #areas: readonly Area[];
  readonly #looks = new Map<string, Look>();
  readonly #contents = new Map<string, Uint8Array[]>();

  private constructor(host: PowerFailHost, areas: readonly Area[]) {
    this.#host = host;
    this.#areas = areas;
  }

  static async of(host: PowerFailHost): Promise<Judge> {
    return new Judge(host, (await host.areas()).get('disk.img') ?? []);
  }

  async judge(tree: Tree): Promise<Verdict> {
    const key = this.#keyOf(tree);
    const look = this.#looks.get(key) ?? (await this.#look(tree));
    this.#looks.set(key, look);
    const whole = (found: Found | null) =>
      found !== null && this.#isWhole(tree, found) ? found.version : null;
    const boots = whole(look.booted);
    const fallsBackTo = look.fallback === look.booted ? boots : whole(look.fallback);
    return { boots, fallsBackTo, damaged: look.damaged };
  }

  #isWhole(tree: Tree, { version, places }: Found): boolean {
    return Object.entries(this.#host.images.get(version) ?? {}).every(([name, wanted]) => {
      const place = places[name];
      const content = place === undefined ? undefined : tree.get(place.path);
      if (place === undefined || content?.kind !== 'file') return false;
      const bytes = content.bytes.subarray(place.at, place.at + wanted.length);
      return Buffer.compare(bytes, wanted) === 0;
    });
  }

  #keyOf(tree: Tree): string {
    const parts: string[] = [];
    for (const [path, content] of tree) {
      if (content.kind === 'folder') parts.push(path);
      else if (content.kind === 'link') parts.push(`${path} ${content.target}`);
      else {
        const { bytes } = content;
        const ids = this.#readParts(path, bytes).map((part, index) =>
          this.#idOf(`${path} ${index}`, part),
        );
        parts.push(`${path} ${bytes.length} ${ids.join()}`);
      }
    }
    return parts.join('\n');
  }

  /** What the agent's code may read of a file before it looks at an image. */
  #readParts(path: string, bytes: Uint8Array): readonly Uint8Array[] {
    if (path.endsWith('.tmp') || IMAGE_FILE.test(path)) return [];
    if (path !== 'disk.img') return [bytes];
    const begins = [0, ...this.#areas.map(({ to }) => to)];
    return begins.map((at, index) => bytes.subarray(at, this.#areas[index]?.from));
  }

  /** A number for each content that was seen there. */
  #idOf(place: string, bytes: Uint8Array): number {
    const known = this.#contents.get(place) ?? [];
    this.#contents.set(place, known);
    const id = known.findIndex((other) => Buffer.compare(other, bytes) === 0);
    return id === -1 ? known.push(new Uint8Array(bytes)) - 1 : id;
  }

  async #look(tree: Tree): Promise<Look> {
    const folder = join(this.#host.world.folder, 'judged');
    writeTree(folder, tree);
    const state = join(folder, 'state');
    const damaged = [
      ...((await new Journal(state).read()).isDamaged ? ['journal'] : []),
      ...((await new ReportQueue(state).isDamaged()) ? ['reports'] : []),
      ...(await new TrustedStore(join(state, 'tuf')).read()).damaged,
    ];
    try {
      return { ...(await LOOKS[this.#host.kind.slots](folder)), damaged };
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      return { booted: null, fallback: null, damaged };
    }
  }
}

type Boots = Pick<Look, 'booted' | 'fallback'>;

const LOOKS = { directory: lookAtFolders, gpt: lookAtDisk, command: lookAtEntries } as const;

async function lookAtFolders(folder: string): Promise<Boots> {
  const tree = join(folder, 'slots');
  const { active, inactive } = await directorySlots(tree).read();
  const { state } = await new Journal(join(folder, 'state')).read();
  if (active === null) return { booted: null, fallback: null };
  const target = 'target' in state ? state.target.to : null;
  const side = (await readlink(join(tree, 'active'))) === 'a' ? 'a' : 'b';
  const foundIn = (name: Side, version: string): Found => {
    const at = 0;
    const places = PART_NAMES.map((part) => [part, { path: `slots/${name}/${part}`, at }] as const);
    return { version, places: Object.fromEntries(places) };
  };
  const { version } = active.release;
  const booted = foundIn(side, version);
  // Until the attempt is over the host may have to go back.
  if (target !== version) return { booted, fallback: booted };
  const other = inactive?.release.version;
  const fallback = other === undefined ? null : foundIn(otherSide(side), other);
  return { booted, fallback };
}

async function lookAtDisk(folder: string): Promise<Boots> {
  const path = join(folder, 'disk.img');
  await using disk = await openDisk(path, 'read');
  const { entries, sectorSize } = await readGpt(disk);
  const sets = findSets(entries);
  const pair = { a: readBits(sets.a.boot.attributes), b: readBits(sets.b.boot.attributes) };
  const find = async (side: Side | null): Promise<Found | null> => {
    if (side === null) return null;
    const { active } = await new GptSlots({
      ...{ disk: path, active: side, kernelCommandLine: '', tries: 3 },
      stateFolder: join(folder, 'state'),
    }).read();
    if (active === null) return null;
    const places = PART_NAMES.map(
      (name) => [name, { path: 'disk.img', at: sets[side][name].firstLba * sectorSize }] as const,
    );
    return { version: active.release.version, places: Object.fromEntries(places) };
  };
  const side = nextToBoot(pair);
  const booted = await find(side);
  if (side === null || pair[side].successful) return { booted, fallback: booted };
  const inVain = { ...pair, [side]: { ...pair[side], triesLeft: 0 } };
  return { booted, fallback: await find(nextToBoot(inVain)) };
}

/** By what systemd-boot finds, not by what the program under test says of it. */
async function lookAtEntries(folder: string): Promise<Boots> {
  const entries = await readEntries(folder);
  const find = async (entry: BootEntry | undefined): Promise<Found | null> => {
    if (entry === undefined) return null;
    const kept = join(folder, 'esp', 'tidegate', entry.slot);
    const seal = await readIfThere(join(kept, 'seal'));
    const release = seal === null ? null : parseOrNull(seal);
    if (release === null) return null;
    for (const [name, { size }] of Object.entries(release.images)) {
      const listed = await readIfThere(join(kept, `${name}.size`));
      if (listed?.toString() !== `${size}\n`) return null;
    }
    const place = (path: string) => ({ path, at: 0 });
    const places = {
      boot: place(`esp/tidegate/${entry.slot}/boot.efi`),
      root: place(`devices/root-${entry.slot}`),
      hash: place(`devices/hash-${entry.slot}`),
    };
    return { version: release.version, places };
  };
  const [first] = bootOrder(entries);
  const booted = await find(first);
  if (first === undefined || first.triesLeft === null) return { booted, fallback: booted };
  const inVain = entries.map((entry) => (entry === first ? { ...entry, triesLeft: 0 } : entry));
  const [second] = bootOrder(inVain);
  // systemd-boot takes what failed again where there is nothing else, and that is no way back.
  return { booted, fallback: second?.slot === first.slot ? null : await find(second) };
}
