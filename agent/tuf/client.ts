import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TrustedMetadataStore } from 'tuf-js/dist/store.js';
import { openUpdater } from '../../adapters/tuf-js/updater.ts';
import { isTargetName, releasesRole, versionOfDocument } from '../../core/tuf/names.ts';
import type { Platform } from '../../core/tuf/names.ts';
import { compareVersions } from '../../core/version.ts';
import { onDisk } from '../durable.ts';
import { AgentError } from '../errors.ts';
import { anchorIdOf } from './anchor.ts';
import { translateTufError } from './errors.ts';
import { fetchSmall, MetadataFetcher } from './fetcher.ts';
import type { FetchOptions } from './fetcher.ts';
import { flooredTime, isRaised, raisedFloor } from './floor.ts';
import { keyMaterial } from './key-material.ts';
import { followRoots } from './roots.ts';
import { TrustedStore } from './trusted-store.ts';
import type { TrustedMetadata } from './trusted-store.ts';

export type TufOptions = FetchOptions & {
  /** Both end in `/`; http, https or file. */
  readonly metadataUrl: string;
  readonly targetsUrl: string;
  /** File with the root that this host trusts, in its read-only image. */
  readonly trustAnchor: string;
  /** The agent's own folder for what it trusts; one process at a time works in it. */
  readonly folder: string;
  readonly now: () => Date;
};

/** A file as signed metadata lists it: where it lies, and the length and SHA-256 (hex) of the bytes there. */
export type TargetInfo = {
  readonly url: string;
  readonly length: number;
  readonly sha256: string;
};

/** The repository at one moment, verified. */
export type VerifiedRepository = {
  /** Files of the local store that were found damaged, and what history no longer held; said, and gone round. */
  readonly damaged: readonly string[];
  /** Null if no such target is published. */
  targetInfo(name: string): Promise<TargetInfo | null>;
  /** A small target, whole. Throws `agent/not-there` if it is not published, `agent/metadata` if it is not as listed. */
  readTarget(name: string): Promise<Uint8Array>;
  /** Versions with a release document, ascending. */
  publishedVersions(platform: Platform): Promise<readonly string[]>;
};

const MAX_SMALL_TARGET_BYTES = 16 * 1024 * 1024;

/**
 * Follows TUF from the trust anchor to what is published now, and remembers it durably. tuf-js works in a scratch folder
 * that begins with roots replayed from the anchor and with what the store holds; what it verified there is put into the
 * store in one step. Throws AgentError: `agent/metadata`, `agent/expired`, `agent/rollback`, `agent/clock` when the
 * metadata or the clock do not hold, `agent/unreachable` and its like when they could not be had.
 */
export async function refreshRepository(options: TufOptions): Promise<VerifiedRepository> {
  const store = new TrustedStore(options.folder);
  const { bytes, anchor } = await readAnchor(options.trustAnchor);
  const memory = await store.readFor(anchor);
  const now = flooredTime(options.now(), memory.floor);
  const chain = followRoots(bytes, memory.metadata.roots);
  const scratch = join(options.folder, 'scratch');
  await fillScratch(scratch, chain.latest, memory.metadata);

  const fetcher = new MetadataFetcher(options);
  const { metadataUrl } = options;
  const { updater, trusted } = await verified(fetcher, async () =>
    openUpdater({ folder: scratch, metadataUrl, fetcher, now }),
  );

  let saved = JSON.stringify(memory.metadata);
  const save = async () => {
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

  async function targetInfo(name: string): Promise<TargetInfo | null> {
    if (!isTargetName(name)) return null;
    const info = await verified(fetcher, () => updater.getTargetInfo(name));
    await save();
    if (info === undefined) return null;
    const sha256 = info.hashes['sha256'] ?? '';
    if (!/^[0-9a-f]{64}$/.test(sha256)) {
      throw new AgentError('agent/metadata', `target ${name} is listed without a SHA-256`);
    }
    const prefix = trusted.root.signed.consistentSnapshot ? `${sha256}.` : '';
    return { url: `${options.targetsUrl}${prefix}${name}`, length: info.length, sha256 };
  }

  return {
    damaged: [...memory.damaged, ...(chain.isDamaged ? ['root history'] : [])],
    targetInfo,
    async readTarget(name) {
      const info = await targetInfo(name);
      if (info === null) throw new AgentError('agent/not-there', `no target ${name} is published`);
      return readSmall(name, info, options);
    },
    async publishedVersions(platform) {
      // A role is loaded when a target is looked for that the role may have; the target need not be there.
      const role = releasesRole(platform);
      await targetInfo(role.replace(/^releases-/, '').concat('-0'));
      const targets = trusted.getRole(role)?.signed.targets ?? {};
      return Object.keys(targets)
        .flatMap((target) => versionOfDocument(platform, target) ?? [])
        .toSorted(compareVersions);
    },
  };
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

async function readSmall(
  name: string,
  { url, length, sha256 }: TargetInfo,
  options: FetchOptions,
): Promise<Uint8Array> {
  if (length > MAX_SMALL_TARGET_BYTES) {
    throw new AgentError(
      'agent/too-large',
      `target ${name} must have at most ${MAX_SMALL_TARGET_BYTES} bytes, is listed with ${length}`,
    );
  }
  const bytes = await fetchSmall(url, length, options);
  if (bytes === null) throw new AgentError('agent/not-there', `${url} is not there`);
  const got = createHash('sha256').update(bytes).digest('hex');
  if (bytes.length !== length || got !== sha256) {
    throw new AgentError('agent/metadata', `target ${name} is not what the signed metadata lists`);
  }
  return bytes;
}

async function verified<T>(fetcher: MetadataFetcher, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw translateTufError(error, fetcher.lastFailure);
  }
}
