import { compareVersions, isVersion } from '../version.ts';
import { BottlerocketError, quote } from './errors.ts';
import type { Manifest, Update } from './manifest.ts';
import type { Nanoseconds } from './nanoseconds.ts';
import { readyAt, updateReady } from './update-ready.ts';

type Viewer = {
  readonly variant: string;
  readonly arch: string;
  /** Any u32; above 2048 updog panics at an update with waves. */
  readonly seed: number;
  readonly now: Nanoseconds;
  readonly ignoreWaves: boolean;
};

type Wish = {
  /** Strict semver. */
  readonly running: string;
  /** `latest`, or a version with or without one leading `v`. */
  readonly versionLock: string;
  /** `updog --image`. Strict semver. */
  readonly forceVersion?: string;
};

export type UpdogHost = Viewer & Wish;

/** updog's `applicable_updates`: what this host may see now, newest first. Throws where updog panics. */
export function applicableUpdates(
  { updates }: Pick<Manifest, 'updates'>,
  { variant, arch, seed, now, ignoreWaves }: Viewer,
): readonly Update[] {
  return updates
    .filter(
      (update) =>
        update.variant === variant &&
        update.arch === arch &&
        compareVersions(update.version, update.maxVersion) <= 0 &&
        (ignoreWaves || updateReady(update, seed, now)),
    )
    .toSorted((a, b) => compareVersions(b.version, a.version));
}

/** updog's `update_required`: what this host would install now. Throws BottlerocketError where updog fails or panics. */
export function updateRequired(
  manifest: Pick<Manifest, 'updates'>,
  host: UpdogHost,
): Update | null {
  const updates = applicableUpdates(manifest, host);
  return updates.find(wishOf(host)) ?? null;
}

/**
 * The first instant at which this host would install something, or null: at any time, or never. Ask when `updateRequired`
 * says null, then it is always later than `now`.
 */
export function firstUpdateAt(
  manifest: Pick<Manifest, 'updates'>,
  host: UpdogHost,
): Nanoseconds | null {
  if (host.ignoreWaves) return null;
  const instants = applicableUpdates(manifest, { ...host, ignoreWaves: true })
    .filter(wishOf(host))
    .map((update) => readyAt(update, host.seed));
  return instants.reduce(
    (first, at) => (first !== null && at !== null && at < first ? at : first),
    instants[0] ?? null,
  );
}

/** What a host wants of the updates that it may see. Above `max_version` it wants to go back. */
function wishOf({ running, versionLock, forceVersion }: Wish): (update: Update) => boolean {
  if (forceVersion !== undefined) {
    return ({ version }) => compareVersions(version, forceVersion) === 0;
  }
  if (versionLock !== 'latest') {
    const locked = lockedVersion(versionLock);
    const isThere = compareVersions(locked, running) === 0;
    return ({ version }) => !isThere && compareVersions(version, locked) === 0;
  }
  return ({ version, maxVersion }) =>
    compareVersions(running, version) < 0 || compareVersions(running, maxVersion) > 0;
}

function lockedVersion(versionLock: string): string {
  const version = versionLock.replace(/^v/, '');
  if (!isVersion(version)) {
    throw new BottlerocketError(
      'bottlerocket/version-lock',
      `version lock must be latest or a version like 1.2.3 or v1.2.3, got ${quote(versionLock)}`,
    );
  }
  return version;
}
