import type { Release } from './release.ts';
import { isSameRelease } from './rollout.ts';
import type { ReleaseRef, Rollout } from './rollout.ts';
import { releaseDocumentTarget } from './tuf/names.ts';

/** What a rollout keeps of a release document. */
export function releaseRefOf(release: Release): ReleaseRef {
  const { variant, arch, version, minimumFrom, rollbackTo, migrations } = release;
  const images = Object.entries(release.images).map(([name, { target }]) => [name, target]);
  return {
    variant,
    arch,
    version,
    document: releaseDocumentTarget(release),
    images: Object.fromEntries(images),
    minimumFrom,
    rollbackTo,
    migrations,
  };
}

/** The rollouts that keep something of the release, be it given by them or be hosts sent back to it. */
export function rolloutsThatKnow(
  rollouts: readonly Rollout[],
  ref: ReleaseRef,
): readonly Rollout[] {
  return rollouts.filter(
    ({ release, sentBackTo }) =>
      isSameRelease(release, ref) || (sentBackTo !== null && isSameRelease(sentBackTo, ref)),
  );
}

/** The rollouts after the release's document changed: each says the same as the document. */
export function withReleaseRef(rollouts: readonly Rollout[], ref: ReleaseRef): readonly Rollout[] {
  const now = (known: ReleaseRef) => (isSameRelease(known, ref) ? ref : known);
  return rollouts.map((rollout) => ({
    ...rollout,
    release: now(rollout.release),
    sentBackTo: rollout.sentBackTo === null ? null : now(rollout.sentBackTo),
  }));
}
