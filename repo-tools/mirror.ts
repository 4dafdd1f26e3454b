import { loadState } from '../adapters/repository/load.ts';
import type { MetadataCache, RepositoryState } from '../adapters/repository/load.ts';
import {
  createObject,
  findObject,
  metadataObject,
  readObject,
  targetObject,
  TIMESTAMP_OBJECT,
} from '../adapters/repository/objects.ts';
import { uploadTarget } from '../adapters/repository/targets.ts';
import type { Storage } from '../adapters/storage/storage.ts';
import type { Progress } from '../adapters/terminal/progress.ts';
import { ExpectedError } from '../core/errors.ts';
import { MAX_LENGTHS, parseRoot, parseTimestamp } from '../core/tuf/metadata.ts';
import { platformOfRole } from '../core/tuf/names.ts';
import { selectTargets } from '../core/tuf/select-targets.ts';
import type { ListedFile, Selection } from '../core/tuf/select-targets.ts';
import { rootTrust, signersOf, verifySignatures } from '../core/tuf/verify.ts';
import type { ProgressListener } from './upload-images.ts';

export type MirrorErrorCode =
  /** The destination holds a repository with another chain of roots. */
  | 'mirror/other-repository'
  /** The destination has newer metadata than the source. */
  | 'mirror/older'
  /** The source is not the repository of the given root, or it changed while it was read. */
  | 'mirror/source'
  /** The source delegates to no role of a variant or arch that was asked for. */
  | 'mirror/selection';

export class MirrorError extends ExpectedError<MirrorErrorCode> {}

export type MirrorOptions = {
  readonly from: Storage;
  readonly to: Storage;
  readonly selection: Selection;
  /** Bytes of a root that must be part of the source's chain; null believes its first root. */
  readonly trustedRoot: Uint8Array | null;
  readonly listener: ProgressListener;
  /** Reports what would be copied, and puts nothing. */
  readonly isDryRun: boolean;
};

export type MirrorReport = {
  readonly copied: number;
  readonly skipped: number;
  /** Images that the filters leave out; `repo verify` names them as missing. */
  readonly leftOut: readonly string[];
  /** Of the targets that were copied. */
  readonly bytes: number;
};

/**
 * Copies what is published; the timestamp is replaced last, so that hosts follow the old state until the new one is
 * whole (TUF 6: a repository writes timestamp last). Nothing at the destination is deleted. Run it again after a crash.
 */
export async function mirrorRepository(options: MirrorOptions): Promise<MirrorReport> {
  const { from, to, selection, trustedRoot, listener, isDryRun } = options;
  const { state, cache } = await loadState({ storage: from, cache: new Map(), trustedRoot: null });
  requireRoot(cache, trustedRoot);
  requireKnown(state, selection);
  const timestamp = await timestampOf(from, state);
  const before = await requireSuccessor(to, { state, cache, timestamp });
  const { wanted, leftOut } = selectTargets(state, selection);
  const missing = await missingTargets(to, wanted);
  const report = {
    copied: missing.length,
    skipped: wanted.length - missing.length,
    leftOut,
    bytes: missing.reduce((sum, { size }) => sum + size, 0),
  };
  if (isDryRun) return report;
  await copyTargets(
    from,
    to,
    missing,
    listener.begin(`mirror ${report.copied} targets`, report.bytes),
  );
  const isSame = before !== null && Buffer.compare(before.bytes, timestamp) === 0;
  const there = new Set((await Array.fromAsync(to.list('metadata/'))).map(({ name }) => name));
  for (const [name, content] of inOrder(cache)) {
    // A new root alone brings no new timestamp.
    if (!isSame || !there.has(name)) await create(to, name, content);
  }
  if (!isSame) {
    const condition =
      before === null
        ? ({ kind: 'create-only' } as const)
        : ({ kind: 'replace-if-unchanged', etag: before.etag } as const);
    await to.put(TIMESTAMP_OBJECT, timestamp, { condition, cacheControl: 'no-cache' });
  }
  return report;
}

/** A mistyped variant must not end as a mirror without images. */
function requireKnown({ delegated }: RepositoryState, { variants, arches }: Selection): void {
  const platforms = [...delegated.keys()].flatMap((role) => platformOfRole(role) ?? []);
  for (const [kind, asked] of [
    ['variant', variants],
    ['arch', arches],
  ] as const) {
    const known = [...new Set(platforms.map((platform) => platform[kind]))];
    const unknown = asked.find((one) => !known.includes(one));
    if (unknown === undefined) continue;
    throw new MirrorError('mirror/selection', `the source has no ${kind} ${unknown}`, {
      hints: [`it has: ${known.join(', ')}`],
    });
  }
}

function requireRoot(cache: MetadataCache, trustedRoot: Uint8Array | null): void {
  if (trustedRoot === null) return;
  const { version } = parseRoot(trustedRoot, 'the trusted root').signed;
  const own = cache.get(metadataObject('root', version));
  if (own === undefined || Buffer.compare(own, trustedRoot) !== 0) {
    throw new MirrorError('mirror/source', `root ${version} of the source is not the given one`);
  }
}

/** The bytes of the very timestamp that was verified; the source may have been given a newer one since. */
async function timestampOf(from: Storage, state: RepositoryState): Promise<Uint8Array> {
  const { bytes } = await readObject(from, TIMESTAMP_OBJECT, MAX_LENGTHS.timestamp);
  const read = parseTimestamp(bytes, TIMESTAMP_OBJECT);
  verifySignatures(TIMESTAMP_OBJECT, read, rootTrust(state.root, 'timestamp'));
  if (JSON.stringify(read.signed) !== JSON.stringify(state.timestamp)) {
    throw new MirrorError('mirror/source', 'the source changed while it was read', {
      hints: ['run it again'],
    });
  }
  return bytes;
}

/** The destination's timestamp, after making sure that the source continues what is there. */
async function requireSuccessor(
  to: Storage,
  source: {
    readonly state: RepositoryState;
    readonly cache: MetadataCache;
    readonly timestamp: Uint8Array;
  },
): Promise<Awaited<ReturnType<typeof findObject>>> {
  const { state, cache, timestamp } = source;
  for (let version = 1; version <= state.root.version; version += 1) {
    const name = metadataObject('root', version);
    const there = await findObject(to, name, MAX_LENGTHS.root);
    if (there !== null && Buffer.compare(there.bytes, cache.get(name) ?? new Uint8Array()) !== 0) {
      throw new MirrorError('mirror/other-repository', `${to.url} has another ${name}`);
    }
  }
  const newer = metadataObject('root', state.root.version + 1);
  if ((await findObject(to, newer, MAX_LENGTHS.root)) !== null) {
    throw new MirrorError('mirror/older', `${to.url} has ${newer}, the source has not`);
  }
  const found = await findObject(to, TIMESTAMP_OBJECT, MAX_LENGTHS.timestamp);
  if (found === null) return null;
  const read = parseTimestamp(found.bytes, TIMESTAMP_OBJECT);
  const trust = rootTrust(state.root, 'timestamp');
  // Under keys that the root no longer names versions may restart: clients forget them too (TUF 5.3.11).
  if (signersOf(read, trust).length < trust.threshold) return found;
  const [got, there] = [state.timestamp.version, read.signed.version];
  if (got < there) {
    throw new MirrorError('mirror/older', `${to.url} has timestamp ${there}, the source ${got}`);
  }
  if (got === there && Buffer.compare(found.bytes, timestamp) !== 0) {
    throw new MirrorError('mirror/other-repository', `${to.url} has another timestamp ${got}`);
  }
  return found;
}

async function missingTargets(
  to: Storage,
  wanted: readonly ListedFile[],
): Promise<readonly ListedFile[]> {
  const there = new Map<string, number>();
  for await (const { name, size } of to.list('targets/')) there.set(name, size);
  return wanted.filter(({ name, sha256, size }) => there.get(targetObject(name, sha256)) !== size);
}

async function copyTargets(
  from: Storage,
  to: Storage,
  files: readonly ListedFile[],
  progress: Progress,
): Promise<void> {
  try {
    for (const file of files) {
      const open = () => measured(from, targetObject(file.name, file.sha256), progress);
      await uploadTarget(to, { ...file, open });
    }
  } finally {
    progress.end();
  }
}

async function* measured(storage: Storage, name: string, progress: Progress) {
  for await (const chunk of (await storage.get(name)).body) {
    progress.advance(chunk.length);
    yield chunk;
  }
}

/** Role files, then the snapshot, then roots from the first on. */
function inOrder(cache: MetadataCache): readonly (readonly [string, Uint8Array])[] {
  const rank = (name: string) =>
    name.endsWith('.root.json') ? 2 : Number(/\/\d+\.snapshot\.json$/.test(name));
  const version = (name: string) => Number(/\/(\d+)\./.exec(name)?.[1]);
  return [...cache].toSorted(([a], [b]) => rank(a) - rank(b) || version(a) - version(b));
}

async function create(to: Storage, name: string, bytes: Uint8Array): Promise<void> {
  if (!(await createObject(to, name, bytes))) {
    throw new MirrorError('mirror/other-repository', `${to.url} has another ${name}`);
  }
}
