import { formatBytes } from '../../adapters/terminal/progress.ts';
import type { TermChange } from '../../core/release-terms.ts';
import type { Release } from '../../core/release.ts';
import type { ReleaseView } from '../../core/release-view.ts';

/** A release in a list: who it is, then what it holds and on which terms. */
export function releaseListLines(view: ReleaseView): readonly string[] {
  const { variant, arch, version, createdAt } = view.release;
  const images = Object.keys(view.release.images).map((image) => {
    const stored = view.images[image] ?? null;
    return `${image} ${stored === null ? 'not there' : formatBytes(stored.length)}`;
  });
  return [
    `${variant} ${arch} ${version}  created ${createdAt}`,
    `  ${images.join(', ')}`,
    ...withdrawnLines(view.release).map((line) => `  ${line}`),
    `  ${termsOf(view)}`,
    ...rolloutLines(view).map((line) => `  ${line}`),
  ];
}

/** Nothing for a release that hosts can still install. */
export function withdrawnLines({ withdrawn }: Release): readonly string[] {
  if (withdrawn === undefined) return [];
  const { at, by, reason, before } = withdrawn;
  return [`WITHDRAWN ${at} by ${by}: ${reason} (document before: SHA-256 ${before})`];
}

/** `rollbackTo: 1.9.0 -> none`. */
export function termChangeLine({ field, before, after }: TermChange): string {
  const words = (values: readonly string[]) => (values.length === 0 ? 'none' : values.join(', '));
  return `${field}: ${words(before)} -> ${words(after)}`;
}

/** What rollouts do with a release, in words. */
export function rolloutLines({ rollout, wayBackOf, release }: ReleaseView): readonly string[] {
  const { version } = release;
  const ways = wayBackOf.map(
    (back) => `rollout ${back.id}: hosts that run ${back.version} are sent back to it`,
  );
  if (rollout === null) return ['no rollout: no host gets it by one of its own', ...ways];
  const { id, state, phase, seeds, isGiven, sentBackTo } = rollout;
  const what =
    sentBackTo !== null
      ? `rolled back: hosts that run ${version} are sent to ${sentBackTo}`
      : isGiven
        ? `running (${phase}): given now to ${seeds} of 2048 seeds`
        : `${state === 'running' ? phase : state}: no host is given it now`;
  return [`rollout ${id} ${what}`, ...ways];
}

function termsOf({ release: { minimumFrom, rollbackTo } }: ReleaseView): string {
  const from = minimumFrom === null ? 'from any version' : `from ${minimumFrom} on`;
  const back = rollbackTo.length === 0 ? 'no way back' : `back to ${rollbackTo.join(', ')}`;
  return `${from}, ${back}`;
}
