import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TrustedMetadataStore } from 'tuf-js/dist/store.js';
import { openUpdater } from '../../adapters/tuf-js/updater.ts';
import { onDisk } from '../on-disk.ts';
import { AgentError } from '../errors.ts';
import { anchorIdOf } from './anchor.ts';
import { translateTufError } from './errors.ts';
import { MetadataFetcher } from './fetcher.ts';
import type { FetchOptions } from './fetcher.ts';
import { flooredTime, isRaised, raisedFloor } from './floor.ts';
import { keyMaterial } from './key-material.ts';
import { followRoots } from './roots.ts';
import { TrustedStore } from './trusted-store.ts';
import type { TrustedMetadata } from './trusted-store.ts';

export type SessionOptions = FetchOptions & {
  /** Ends in `/`; http, https or file. */
  readonly metadataUrl: string;
  /** File with the root that this host trusts, in its read-only image. */
  readonly trustAnchor: string;
  /** The agent's own folder for what it trusts; one process at a time works in it. */
  readonly folder: string;
  readonly now: () => Date;
};

/** A target as signed metadata lists it: its path in a folder of targets, and the bytes there. */
export type ListedTarget = {
  readonly path: string;
  readonly length: number;
  readonly sha256: string;
};

/** The metadata of one place at one moment, verified. */
export type Session = {
  readonly damaged: readonly string[];
  /** Null if no such target is listed. */
  findTarget(name: string): Promise<ListedTarget | null>;
  /** Names that a role lists, once it was loaded; a role is loaded when a target is looked for that it may have. */
  targetsOf(role: string): readonly string[];
};

/**
 * Follows TUF from the trust anchor to what one place publishes now, and remembers it durably. tuf-js works in a scratch
 * folder that begins with roots replayed from the anchor and with what the store holds; what it verified there is put into
 * the store in one step. Throws AgentError, as `refreshRepository` does.
 */
export async function openSession(options: SessionOptions): Promise<Session> {
  const store = new TrustedStore(options.folder);
  const { bytes, anchor } = await readAnchor(options.trustAnchor);
  const memory = await store.readFor(anchor);
  const now = flooredTime(options.now(), memory.floor);
  const chain = followRoots(bytes, memory.metadata.roots);
  const scratch = join(options.folder, 'scratch');
  await fillScratch(scratch, chain.latest, memory.metadata);

  const fetcher = new MetadataFetcher(options);
  const { metadataUrl } = options;
  const { updater, trusted, requireReadable } = await verified(fetcher, async () =>
    openUpdater({ folder: scratch, metadataUrl, fetcher, now }),
  );

  let saved = JSON.stringify(memory.metadata);
  const save = async () => {
    // What was verified without what is remembered must not take its place.
    await verified(fetcher, async () => requireReadable());
    const verifiedNow = await readScratch(scratch, chain.roots, fetcher, trusted);
    const metadata = { ...verifiedNow, anchor };
    if (JSON.stringify(metadata) === saved) return;
    await store.writeMetadata(metadata);
    saved = JSON.stringify(metadata);
  };

  try {
    await verified(fetcher, () => updater.refresh());
    requireDistinctKeys(trusted);
    const floor = raisedFloor(memory.floor, trusted, { anchor, now });
    if (isRaised(memory.floor, floor)) await store.writeFloor(floor);
  } finally {
    // Also after a failure: TUF has every file that was verified remembered, so that none of them can be taken back.
    await save();
  }

  return {
    damaged: [...memory.damaged, ...(chain.isDamaged ? ['root history'] : [])],
    async findTarget(name) {
      let info;
      try {
        info = await verified(fetcher, () => updater.getTargetInfo(name));
      } finally {
        await save();
      }
      if (info === undefined) return null;
      const sha256 = info.hashes['sha256'] ?? '';
      if (!/^[0-9a-f]{64}$/.test(sha256)) {
        throw new AgentError('agent/metadata', `target ${name} is listed without a SHA-256`);
      }
      const prefix = trusted.root.signed.consistentSnapshot ? `${sha256}.` : '';
      return { path: pathOf(name, prefix), length: info.length, sha256 };
    },
    targetsOf: (role) => Object.keys(trusted.getRole(role)?.signed.targets ?? {}),
  };
}

/** TUF 5.7.3: the hash stands before the last part of the name. */
function pathOf(name: string, prefix: string): string {
  const parts = name.split('/').map((part) => encodeURIComponent(part));
  return [...parts.slice(0, -1), `${prefix}${parts.at(-1) ?? ''}`].join('/');
}

async function readAnchor(path: string) {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new AgentError('agent/config', `cannot read the trust anchor ${path}`, { cause });
  }
  try {
    // Nothing is known yet but that it is signed by its own keys.
    followRoots(bytes, {});
    return { bytes, anchor: anchorIdOf(bytes) };
  } catch (cause) {
    throw new AgentError(
      'agent/config',
      `the trust anchor ${path} is no root metadata signed by its own keys`,
      { cause },
    );
  }
}

/** The scratch folder is made anew every time: what a killed refresh left in it counts for nothing. */
async function fillScratch(scratch: string, root: Buffer, { roles }: TrustedMetadata) {
  await onDisk(`filling ${scratch}`, async () => {
    await rm(scratch, { recursive: true, force: true });
    await mkdir(scratch, { recursive: true, mode: 0o700 });
    for (const [role, text] of Object.entries(roles)) {
      await writeFile(join(scratch, fileOf(role)), text);
    }
    await writeFile(join(scratch, fileOf('root')), root);
  });
}

/** tuf-js names its files like this. */
function fileOf(role: string): string {
  return `${encodeURIComponent(role)}.json`;
}

/** What tuf-js has verified and kept; roots only as far as they are trusted. */
async function readScratch(
  scratch: string,
  known: Readonly<Record<string, string>>,
  fetcher: MetadataFetcher,
  trusted: TrustedMetadataStore,
): Promise<TrustedMetadata> {
  const roles: Record<string, string> = {};
  await onDisk(`reading ${scratch}`, async () => {
    const names = (await readdir(scratch)).filter((name) => name.endsWith('.json')).toSorted();
    for (const name of names) {
      const role = decodeURIComponent(name.slice(0, -'.json'.length));
      if (role !== 'root') roles[role] = await readFile(join(scratch, name), 'utf8');
    }
  });
  const roots: Record<string, string> = { ...known };
  for (const [version, text] of fetcher.roots) {
    if (version <= trusted.root.signed.version) roots[version] = text;
  }
  return { roles, roots };
}

/** One key under two ids would count twice towards a threshold. */
function requireDistinctKeys({ root }: TrustedMetadataStore): void {
  const materials = Object.values(root.signed.keys).map(({ keyVal }) =>
    keyMaterial(keyVal.public ?? ''),
  );
  if (new Set(materials).size === materials.length) return;
  throw new AgentError('agent/metadata', 'root: the same key stands under two key ids');
}

async function verified<T>(fetcher: MetadataFetcher, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw translateTufError(error, fetcher.lastFailure);
  }
}
