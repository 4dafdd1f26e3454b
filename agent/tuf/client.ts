import { createHash } from 'node:crypto';
import { isTargetName, releasesRole, versionOfDocument } from '../../core/tuf/names.ts';
import type { Platform } from '../../core/tuf/names.ts';
import { compareVersions } from '../../core/version.ts';
import { AgentError, NotTheFileError } from '../errors.ts';
import type { RemoteFile } from '../remote-file.ts';
import { fetchSmall } from './fetcher.ts';
import type { FetchOptions } from './fetcher.ts';
import { failureOfAll, isFaultOfPlace } from './places.ts';
import type { OnPlaceFailed, RepositoryPlace } from './places.ts';
import { openSession } from './session.ts';
import type { Session, SessionOptions } from './session.ts';

export type TufOptions = SessionOptions &
  RepositoryPlace & {
    /** Where else the repository lies, asked in this order when a place fails; nothing is verified less there. */
    readonly mirrors?: readonly RepositoryPlace[] | undefined;
    readonly onPlaceFailed?: OnPlaceFailed | undefined;
    /** Names of targets that are looked for at all; those of our own repositories if it is not given. */
    readonly isTargetName?: ((name: string) => boolean) | undefined;
  };

/** The repository at one moment, verified. */
export type VerifiedRepository = {
  /** Files of the local store that were found damaged, and what history no longer held; said, and gone round. */
  readonly damaged: readonly string[];
  /** Where a file lies, and length and SHA-256 of the bytes there; null if no such target is published. */
  targetInfo(name: string): Promise<RemoteFile | null>;
  /** A small target, whole. Throws `agent/not-there` if it is not published, `agent/metadata` if it is not as listed. */
  readTarget(name: string): Promise<Uint8Array>;
  /** Versions with a release document, ascending. */
  publishedVersions(platform: Platform): Promise<readonly string[]>;
};

const MAX_SMALL_TARGET_BYTES = 16 * 1024 * 1024;

/**
 * Follows TUF from the trust anchor to what is published now, at the first place whose metadata holds, and remembers it
 * durably. Throws AgentError: `agent/metadata`, `agent/expired`, `agent/rollback`, `agent/clock` when the metadata or the
 * clock do not hold, `agent/unreachable` and its like when they could not be had.
 */
export async function refreshRepository(options: TufOptions): Promise<VerifiedRepository> {
  const sessions = await openSessions(options);
  const { isTargetName: isLookedFor = isTargetName } = options;

  async function targetInfo(name: string): Promise<RemoteFile | null> {
    if (!isLookedFor(name)) return null;
    const { result: listed, places } = await sessions.ask((session) => session.findTarget(name));
    if (listed === null) return null;
    const { path, length, sha256 } = listed;
    const [url = '', ...mirrors] = places.map(({ targetsUrl }) => `${targetsUrl}${path}`);
    return { url, mirrors, length, sha256 };
  }

  return {
    damaged: sessions.damaged,
    targetInfo,
    async readTarget(name) {
      const file = await targetInfo(name);
      if (file === null) throw new AgentError('agent/not-there', `no target ${name} is published`);
      return readSmall(name, file, options);
    },
    async publishedVersions(platform) {
      const role = releasesRole(platform);
      // The target need not be there for its role to be loaded.
      const wanted = role.replace(/^releases-/, '').concat('-0');
      const { result: targets } = await sessions.ask(async (session) => {
        await session.findTarget(wanted);
        return session.targetsOf(role);
      });
      return targets
        .flatMap((target) => versionOfDocument(platform, target) ?? [])
        .toSorted(compareVersions);
    },
  };
}

type Sessions = {
  readonly damaged: readonly string[];
  /** What the session says, and the places for files in the order in which to ask: first where the session is. */
  ask<T>(
    question: (session: Session) => Promise<T>,
  ): Promise<{ readonly result: T; readonly places: readonly RepositoryPlace[] }>;
};

/** A session at the first place that does its part, and at the next one once it does not any more. */
async function openSessions(options: TufOptions): Promise<Sessions> {
  const { metadataUrl, targetsUrl, mirrors = [] } = options;
  const places: readonly RepositoryPlace[] = [{ metadataUrl, targetsUrl }, ...mirrors];
  const damaged = new Set<string>();
  let at = 0;
  let session: Session | null = null;

  async function ask<T>(question: (session: Session) => Promise<T>): Promise<T> {
    const failures: AgentError[] = [];
    for (;;) {
      const { metadataUrl: url } = places[at] ?? options;
      try {
        session ??= await openSession({ ...options, metadataUrl: url });
        for (const what of session.damaged) damaged.add(what);
        return await question(session);
      } catch (error) {
        if (!isFaultOfPlace(error)) throw error;
        failures.push(error);
        session = null;
        at = (at + 1) % places.length;
        if (failures.length === places.length) throw failureOfAll(failures);
        options.onPlaceFailed?.({ url, code: error.code, message: error.message });
      }
    }
  }

  await ask(async () => {});
  return {
    damaged: [...damaged],
    ask: async (question) => {
      const result = await ask(question);
      return { result, places: [...places.slice(at), ...places.slice(0, at)] };
    },
  };
}

async function readSmall(name: string, file: RemoteFile, options: TufOptions): Promise<Uint8Array> {
  const { url, mirrors = [], length } = file;
  if (length > MAX_SMALL_TARGET_BYTES) {
    throw new AgentError(
      'agent/too-large',
      `target ${name} must have at most ${MAX_SMALL_TARGET_BYTES} bytes, is listed with ${length}`,
    );
  }
  const failures: AgentError[] = [];
  for (const from of [url, ...mirrors]) {
    try {
      return await readSmallFrom(from, file, options);
    } catch (error) {
      if (!isFaultOfPlace(error)) throw error;
      failures.push(error);
      const { code, message } = error;
      if (failures.length <= mirrors.length) options.onPlaceFailed?.({ url: from, code, message });
    }
  }
  throw failureOfAll(failures);
}

async function readSmallFrom(
  url: string,
  { length, sha256 }: RemoteFile,
  options: FetchOptions,
): Promise<Uint8Array> {
  const bytes = await fetchSmall(url, length, options);
  if (bytes === null) throw new NotTheFileError('agent/not-there', `${url} is not there`);
  const got = createHash('sha256').update(bytes).digest('hex');
  if (bytes.length !== length || got !== sha256) {
    throw new AgentError('agent/metadata', `${url} is not what the signed metadata lists`);
  }
  return bytes;
}
