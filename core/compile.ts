import type { ChainHead } from './audit.ts';
import { formatNanoseconds } from './bottlerocket/nanoseconds.ts';
import { compileWaves } from './compiled-waves.ts';
import type { RunningRollout } from './compiled-waves.ts';
import { curveOf } from './curve.ts';
import { formatInstant } from './instant.ts';
import { recordToJson } from './fleet-view.ts';
import type { Plan } from './plan.ts';
import { currentRollouts, isSameRelease, rolloutToJson } from './rollout.ts';
import type { ReleaseRef, Rollout } from './rollout.ts';
import { SEED_COUNT } from './seed.ts';
import { clockAt, gateAt, instantOf, letThroughAt, reachablePoints } from './tide.ts';
import type { Gated } from './tide.ts';
import { compareVersions } from './version.ts';

/** An entry of `updates`: Bottlerocket's own keys first, in its order, then ours, which it ignores. */
type CompiledUpdate = {
  readonly variant: string;
  readonly arch: string;
  readonly version: string;
  readonly max_version: string;
  readonly waves: Readonly<Record<string, string>>;
  readonly images: Readonly<Record<string, string>>;
  /** Target name of the release document. */
  readonly release: string;
  /** The curve as [time, seeds let through]; between two points a straight line, after the last one flat. */
  readonly tide: readonly (readonly [string, number])[];
};

/**
 * `manifest.json` for this plan at this instant, in Bottlerocket's byte layout. `published` holds every version that a
 * host may run, of any variant: updog refuses an update without a chain of migrations from its own version. `auditHead`
 * makes the manifest a witness of the server's audit log; what names one already must go on naming one.
 */
export function compileManifest(
  { rollouts, fleet }: Plan,
  {
    published,
    now,
    auditHead = null,
  }: {
    readonly published: readonly string[];
    readonly now: Date;
    readonly auditHead?: ChainHead | null;
  },
): string {
  const manifest = {
    updates: compileUpdates(rollouts, now),
    migrations: compileMigrations(rollouts, published),
    rollouts: rollouts.map(rolloutToJson),
    ...(fleet.history.length === 0 ? {} : { fleet: recordToJson(fleet) }),
    ...(auditHead === null
      ? {}
      : { audit: { sequence: auditHead.sequence, hash: auditHead.hash } }),
  };
  return JSON.stringify(manifest, null, 2);
}

/** The next instant at which `updates` must list a rollout that it does not list yet, or null. */
export function nextListingAt(rollouts: readonly Rollout[], now: Date): Date | null {
  const openings = rollouts.flatMap((rollout) => {
    const [first] = curveOf(rollout.policy).openings;
    if (!isMoving(rollout) || first === undefined || first.needsApproval) return [];
    const opensAt = instantOf(rollout, first.atMs);
    return opensAt > now ? [opensAt.getTime()] : [];
  });
  return openings.length === 0 ? null : new Date(Math.min(...openings));
}

function compileUpdates(rollouts: readonly Rollout[], now: Date): readonly CompiledUpdate[] {
  const groups = Map.groupBy(rollouts, ({ release }) => `${release.variant}\n${release.arch}`);
  return [...groups.keys()].toSorted().flatMap((key) => {
    const [first] = groups.get(key) ?? [];
    return first === undefined ? [] : compileGroup(currentRollouts(rollouts, first.release), now);
  });
}

/** The entries of one variant and arch. A paused or withdrawn release is left out, yet still counts for `max_version`. */
function compileGroup(current: readonly Rollout[], now: Date): readonly CompiledUpdate[] {
  const listed = current.filter(isMoving).filter((rollout) => isListed(rollout, now));
  const kept = current.filter(({ sentBackTo }) => sentBackTo === null);
  // Above max_version updog takes whatever is listed: a way back that is paused must not lower it.
  const maxVersion = current
    .map((rollout) =>
      isMoving(rollout) ? (rollout.sentBackTo ?? rollout.release) : rollout.release,
    )
    .map(({ version }) => version)
    .toSorted(compareVersions)
    .at(-1);
  if (maxVersion === undefined) return [];
  const entries = listed
    .filter(({ sentBackTo }) => sentBackTo === null)
    .map((rollout) => listedUpdate(rollout, rollout.release, { maxVersion, now }));
  // updog takes the way back only if it runs more than max_version, so a newer release that is still in force makes it
  // useless, and it would only hurry older hosts. Of several to one release the one that lets go the fewest counts.
  const opened = listed
    .toSorted((a, b) => letThroughAt(a, now) - letThroughAt(b, now))
    .flatMap((rollout) => {
      const { release, sentBackTo } = rollout;
      if (sentBackTo === null || compareVersions(release.version, maxVersion) <= 0) return [];
      const isThere = kept.some((other) => isSameRelease(other.release, sentBackTo));
      return isThere ? [] : [listedUpdate(rollout, sentBackTo, { maxVersion, now })];
    });
  const leaving = current.filter(({ release }) => compareVersions(release.version, maxVersion) > 0);
  // Nor does it know where its release lets it go: what some of those who go back may not take is left out for all.
  const isForAll = ({ version }: CompiledUpdate) =>
    leaving.every(({ release }) => release.rollbackTo.includes(version));
  return [...entries, ...dedupe(opened)]
    .filter(isForAll)
    .filter(({ images }) => ['boot', 'root', 'hash'].every((name) => name in images))
    .toSorted((a, b) => compareVersions(a.version, b.version));
}

function dedupe(updates: readonly CompiledUpdate[]): readonly CompiledUpdate[] {
  return updates.filter(
    (update, index) => updates.findIndex(({ version }) => version === update.version) === index,
  );
}

function isMoving(rollout: Rollout): rollout is RunningRollout {
  return rollout.runningSince !== null;
}

/** updog lets seed 0 through as soon as an entry is listed, so it is listed only once the tide may rise. */
function isListed(rollout: RunningRollout, now: Date): boolean {
  const [first] = curveOf(rollout.policy).openings;
  if (first === undefined) return false;
  const isHeld = gateAt(rollout, now) !== null && letThroughAt(rollout, now) === 0;
  return clockAt(rollout, now) >= first.atMs && !isHeld;
}

function listedUpdate(
  rollout: RunningRollout,
  release: ReleaseRef,
  { maxVersion, now }: { readonly maxVersion: string; readonly now: Date },
): CompiledUpdate {
  const isEveryone = letThroughAt(rollout, now) === SEED_COUNT;
  const waves = isEveryone ? [] : [...compileWaves(rollout)];
  return {
    variant: release.variant,
    arch: release.arch,
    version: release.version,
    max_version: maxVersion,
    waves: Object.fromEntries(waves.map(([bound, at]) => [bound, formatNanoseconds(at)])),
    images: release.images,
    release: release.document,
    tide: tidePoints(rollout),
  };
}

/** The curve of a running rollout in time, if nobody intervenes: [time, seeds] at its vertices. */
export function tidePoints(
  rollout: Gated & Pick<RunningRollout, 'clockMs' | 'runningSince'>,
): readonly (readonly [string, number])[] {
  return reachablePoints(rollout).map(
    ({ atMs, seeds }) => [formatInstant(instantOf(rollout, atMs)), seeds] as const,
  );
}

/**
 * One chain through all versions of all variants: updog walks it greedily and without turning back, so there must be no
 * branch that ends before its target.
 */
function compileMigrations(
  rollouts: readonly Rollout[],
  published: readonly string[],
): Record<string, readonly string[]> {
  const releases = rollouts.flatMap(({ release, sentBackTo }) =>
    sentBackTo === null ? [release] : [release, sentBackTo],
  );
  const versions = [...new Set([...published, ...releases.map(({ version }) => version)])].toSorted(
    compareVersions,
  );
  const pairs = versions.slice(1).map((to, index): [string, readonly string[]] => {
    const names = releases
      .filter(({ version }) => version === to)
      .flatMap(({ migrations }) => migrations);
    return [`(${versions[index]}, ${to})`, [...new Set(names)]];
  });
  return Object.fromEntries(pairs.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
