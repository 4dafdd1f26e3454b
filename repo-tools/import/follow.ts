import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BaseFetcher } from 'tuf-js';
import { DownloadHTTPError } from 'tuf-js/dist/error.js';
import { z } from 'zod';
import { StorageError } from '../../adapters/storage/storage.ts';
import { openUpdater } from '../../adapters/tuf-js/updater.ts';
import type { SourceTarget } from '../../core/import/listing.ts';
import type { SourceLayout } from './layout.ts';
import { refuseRepeatedKeys } from './repeated-keys.ts';
import { SourceError } from './source-files.ts';
import type { SourceFiles } from './source-files.ts';

export type FollowOptions = {
  /** Bytes of the root that is trusted. */
  readonly root: Uint8Array;
  readonly now: Date;
  readonly unsafeAllowExpired: boolean;
};

export type FollowedRole = {
  readonly role: string;
  readonly version: number;
  readonly expires: string;
  readonly isExpired: boolean;
};

/** A source as its signed metadata describes it, followed from the given root. */
export type FollowedSource = {
  readonly roles: readonly FollowedRole[];
  /** Names in the top-level targets role. */
  readonly names: readonly string[];
  /** Whether targets are stored as `<sha256>.<name>`. */
  readonly hashPrefixed: boolean;
  /** What the metadata says of a target, delegated roles included; null if it names none. */
  readonly find: (name: string) => Promise<SourceTarget | null>;
};

const BASE_URL = 'http://source.invalid/';
// What tough reads at most.
const LIMITS = {
  rootMaxLength: 1024 * 1024,
  timestampMaxLength: 1024 * 1024,
  snapshotMaxLength: 1024 * 1024,
  targetsMaxLength: 10 * 1024 * 1024,
};

const signedSchema = z.object({
  signed: z.object({
    version: z.number(),
    expires: z.string(),
    consistent_snapshot: z.boolean().default(false),
    targets: z.record(z.string(), z.unknown()).default({}),
  }),
});

/**
 * Follows the metadata with tuf-js, which reads what tough and pubsys write: fractions of seconds, RSA keys, versions that
 * are UNIX seconds. `use` works on the verified source. Throws SourceError.
 */
export async function followSource<T>(
  layout: SourceLayout,
  options: FollowOptions,
  use: (source: FollowedSource) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-import-'));
  try {
    return await use(await followIn(folder, layout, options));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function followIn(
  folder: string,
  layout: SourceLayout,
  { root, now, unsafeAllowExpired }: FollowOptions,
): Promise<FollowedSource> {
  const where = `${layout.metadata.url}/${layout.prefix}`;
  const guarded = async <T>(step: () => Promise<T>): Promise<T> => {
    try {
      return await step();
    } catch (cause) {
      if (cause instanceof SourceError || cause instanceof StorageError) throw cause;
      throw untrusted(where, cause);
    }
  };
  return guarded(async () => {
    refuseRepeatedKeys('the given root', root);
    await writeFile(join(folder, 'root.json'), root);
    const { updater } = openUpdater({
      folder,
      metadataUrl: BASE_URL + layout.prefix,
      fetcher: new SourceFetcher(layout.metadata),
      // Nothing is expired at the beginning of time.
      now: unsafeAllowExpired ? new Date(0) : now,
      limits: LIMITS,
    });
    await updater.refresh();
    const files = await Promise.all(
      ['root', 'timestamp', 'snapshot', 'targets'].map(async (role) => {
        const bytes = await readFile(join(folder, `${role}.json`));
        refuseRepeatedKeys(role, bytes);
        return [role, signedSchema.parse(JSON.parse(bytes.toString('utf8'))).signed] as const;
      }),
    );
    return {
      roles: files.map(([role, { version, expires }]) => ({
        role,
        version,
        expires,
        isExpired: now >= new Date(expires),
      })),
      names: files.flatMap(([, { targets }]) => Object.keys(targets)),
      hashPrefixed: files.some(([, signed]) => signed.consistent_snapshot),
      find: async (name) => {
        const file = await guarded(async () => updater.getTargetInfo(name));
        const sha256 = file?.hashes['sha256'];
        if (file === undefined || sha256 === undefined) return null;
        return { name, length: file.length, sha256: sha256.toLowerCase() };
      },
    };
  });
}

function untrusted(where: string, cause: unknown): SourceError {
  const message = cause instanceof Error ? cause.message : String(cause);
  if (/expired/i.test(message)) {
    return new SourceError('import/expired', `${where} is expired: ${message}`, {
      cause,
      hints: [
        '--unsafe-allow-expired imports it nevertheless: it may be an old state of the source',
      ],
    });
  }
  return new SourceError(
    'import/untrusted',
    `${where} cannot be followed from the given root: ${message}`,
    { cause },
  );
}

/** Lets tuf-js read the source's files; what is not there is an HTTP 404 to it. */
class SourceFetcher extends BaseFetcher {
  readonly #files: SourceFiles;

  constructor(files: SourceFiles) {
    super();
    this.#files = files;
  }

  override async fetch(url: string): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    const body = await this.#files.find(url.slice(BASE_URL.length));
    if (body === null) throw new DownloadHTTPError(`${url} is not there`, 404);
    return ReadableStream.from(owned(body));
  }
}

/** tuf-js asks for chunks that own their memory. */
async function* owned(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for await (const chunk of body) yield new Uint8Array(chunk);
}
