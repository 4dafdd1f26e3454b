import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Updater } from 'tuf-js';
import type { Config, Fetcher } from 'tuf-js';
import { TrustedMetadataStore } from 'tuf-js/dist/store.js';
import { errnoOf } from '../storage/file-errors.ts';

export type UpdaterOptions = {
  /** Holds the trusted `root.json`, and what was verified before. */
  readonly folder: string;
  readonly metadataUrl: string;
  readonly fetcher: Fetcher;
  /** TUF 5.1: the one time for the whole refresh. tuf-js by itself would read the system's clock. */
  readonly now: Date;
  /** How long files may be, where those of tuf-js are too short. */
  readonly limits?: Partial<Config>;
};

export type OpenUpdater = {
  readonly updater: Updater;
  /** What the updater has verified so far. */
  readonly trusted: TrustedMetadataStore;
  /**
   * Throws what the disk failed with when a file of the folder was read. tuf-js takes such a file for one that is not there, and
   * what it then verifies is compared with nothing that was there before.
   */
  readonly requireReadable: () => void;
};

/**
 * tuf-js with a given time. What is set here is private in its types only; the pinned version is held to it by the tests of
 * expiry and of roles with strange names. Throws what tuf-js throws for a root that is none.
 */
export function openUpdater(options: UpdaterOptions): OpenUpdater {
  const { folder, metadataUrl, fetcher, now, limits = {} } = options;
  const updater = new Updater({
    metadataDir: folder,
    metadataBaseUrl: metadataUrl.replace(/\/$/, ''),
    fetcher,
    config: limits,
  });
  const trusted: unknown = Reflect.get(updater, 'trustedSet');
  if (!(trusted instanceof TrustedMetadataStore)) throw new Error('tuf-js has no trustedSet');
  if (!Reflect.set(trusted, 'referenceTime', now)) throw new Error('tuf-js has no referenceTime');
  // It writes under the encoded name of a role, but would read under the plain one, which may lead out of the folder.
  let unreadable: unknown = null;
  const read = (role: string) => {
    try {
      return readFileSync(join(folder, `${encodeURIComponent(role)}.json`));
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') unreadable ??= error;
      throw error;
    }
  };
  if (!Reflect.has(updater, 'loadLocalMetadata'))
    throw new Error('tuf-js has no loadLocalMetadata');
  Reflect.set(updater, 'loadLocalMetadata', read);
  const requireReadable = () => {
    if (unreadable !== null) throw unreadable;
  };
  return { updater, trusted, requireReadable };
}
