import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder } from '../adapters/storage/durable-folder.ts';
import { errnoOf } from '../adapters/storage/file-errors.ts';
import { downloadImage } from './download.ts';
import { writeDurable } from './durable.ts';
import { onDisk } from './on-disk.ts';
import { AgentError } from './errors.ts';
import type { Network } from './network/network.ts';
import type { RemoteFile } from './remote-file.ts';
import { openImageFile } from './slots/image-file.ts';
import { refreshRepository } from './tuf/client.ts';
import type { VerifiedRepository } from './tuf/client.ts';
import { TrustedStore } from './tuf/trusted-store.ts';

/** Where a client under test finds and keeps things. */
export type ConformanceOptions = {
  /** Here the suite looks for what is trusted, one file a role. */
  readonly metadataFolder: string;
  /** Ends in `/`. */
  readonly metadataUrl: string;
  readonly network: Network;
  readonly now: () => Date;
  readonly signal: AbortSignal;
};

export type ConformanceDownload = {
  readonly names: readonly string[];
  readonly folder: string;
  /** Ends in `/`. */
  readonly targetsUrl: string;
};

/** Beside the copies for the suite: the trust anchor and the agent's own store. */
const anchorIn = (folder: string) => join(folder, 'agent', 'anchor.json');
const storeIn = (folder: string) => join(folder, 'agent', 'tuf');

/** Makes the given root the trust anchor, as an image would bring it along; nothing is asked or checked. */
export async function conformanceInit(metadataFolder: string, root: string): Promise<void> {
  let bytes: Buffer;
  try {
    bytes = await readFile(root);
  } catch (cause) {
    throw new AgentError('agent/config', `cannot read ${root}`, { cause });
  }
  await mkdir(metadataFolder, { recursive: true });
  await writeDurable(anchorIn(metadataFolder), bytes);
  await writeDurable(join(metadataFolder, 'root.json'), bytes);
}

/** What `agent once` does before it looks for a release. Throws what `refreshRepository` throws. */
export async function conformanceRefresh(options: ConformanceOptions): Promise<void> {
  await refreshed(options, '');
  await copyTrusted(options.metadataFolder);
}

/** Fetches targets by the way of images, each at once or not at all; one that is there already is not asked for. */
export async function conformanceDownload(
  options: ConformanceOptions,
  { names, folder, targetsUrl }: ConformanceDownload,
): Promise<void> {
  const repository = await refreshed(options, targetsUrl);
  try {
    await mkdir(folder, { recursive: true });
    for (const name of names) {
      const file = await repository.targetInfo(name);
      if (file === null) throw new AgentError('agent/not-there', `no target ${name} is published`);
      await fetchTarget(join(folder, encodeURIComponent(name)), file, options);
    }
  } finally {
    await copyTrusted(options.metadataFolder);
  }
}

async function refreshed(
  { metadataFolder, metadataUrl, network, now, signal }: ConformanceOptions,
  targetsUrl: string,
): Promise<VerifiedRepository> {
  try {
    return await refreshRepository({
      ...{ metadataUrl, targetsUrl, network, now, signal },
      trustAnchor: anchorIn(metadataFolder),
      folder: storeIn(metadataFolder),
      // The suite's repositories are not ours: names with `/`, roles that need quoting.
      isTargetName: () => true,
    });
  } catch (error) {
    await copyTrusted(metadataFolder);
    throw error;
  }
}

async function copyTrusted(folder: string): Promise<void> {
  const { metadata } = await new TrustedStore(storeIn(folder)).read();
  const newest = Math.max(0, ...Object.keys(metadata.roots).map(Number));
  const root = metadata.roots[newest];
  const files = { ...metadata.roles, ...(root === undefined ? {} : { root }) };
  for (const [role, text] of Object.entries(files)) {
    await writeDurable(join(folder, `${encodeURIComponent(role)}.json`), Buffer.from(text));
  }
}

async function fetchTarget(
  path: string,
  file: RemoteFile,
  { network, signal }: ConformanceOptions,
): Promise<void> {
  if ((await sha256Of(path)) === file.sha256) return;
  const temporary = `${path}.part`;
  const image = { format: 'raw', size: file.length, sha256: file.sha256 } as const;
  const writeImage = (name: string, size: number) => openImageFile(name, size);
  try {
    await downloadImage({ writeImage }, temporary, { file, image }, { network, signal });
    await onDisk(`renaming ${temporary}`, () => rename(temporary, path));
    await syncFolder(join(path, '..'));
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Null if there is no such file. */
async function sha256Of(path: string): Promise<string | null> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(path)) hash.update(chunk);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw error;
  }
  return hash.digest('hex');
}
