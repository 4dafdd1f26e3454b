import type { Progress } from '../../adapters/terminal/progress.ts';
import type { Difference } from '../../core/import/difference.ts';
import type { PlannedImage, PlannedRelease, PlatformPlan } from '../../core/import/plan.ts';
import { compareRises } from '../../core/import/rise.ts';
import { rolloutDifferences } from '../../core/import/rollout-differences.ts';
import { formatInstant } from '../../core/instant.ts';
import type { Release } from '../../core/release.ts';
import { releaseDocumentTarget } from '../../core/tuf/names.ts';
import { tideAt } from '../../core/tide.ts';
import { applyVerb } from '../../core/verb.ts';
import { inspectRaw, meterRaw, readSourceTarget, verifiedBytes } from './copy.ts';
import type { RawImage } from './copy.ts';
import { importId } from './destination.ts';
import type { FollowedSource } from './follow.ts';
import type { ImportOptions } from './import.ts';
import type { SourceLayout } from './layout.ts';
import type { ImportedFile, ImportedRelease, ImportedRollout } from './report.ts';

type Options = ImportOptions & {
  readonly layout: SourceLayout;
  readonly source: FollowedSource;
  readonly isDryRun: boolean;
};

type Step = Pick<ImportedRelease, 'outcome' | 'bytes'>;

/** Copies and commits what the plan says, each release by itself, then its rollouts. A dry run only looks. */
export async function importPlatform(
  plan: PlatformPlan,
  options: Options,
): Promise<{
  readonly releases: readonly ImportedRelease[];
  readonly differences: readonly Difference[];
}> {
  const { destination, now, by, layout, isDryRun } = options;
  const releases: ImportedRelease[] = [];
  const differences: Difference[] = [];
  // Before the first byte: nothing is half imported for a release that cannot be.
  const published = new Map<PlannedRelease, Release | null>();
  for (const planned of plan.releases) published.set(planned, await destination.published(planned));
  const withdrawn = plan.releases.filter((planned) => published.get(planned)?.withdrawn);
  differences.push(...withdrawn.map((planned) => leftOut(planned, published.get(planned))));
  const wanted = plan.releases.filter((planned) => !withdrawn.includes(planned));
  for (const planned of wanted) {
    const there = published.get(planned) ?? null;
    const step = there === null ? await importRelease(planned, options) : ALREADY_THERE;
    if (there !== null) differences.push(...keptTerms(planned, there));
    const rollout = rolloutOf(planned, options);
    if (rollout !== null && planned.rollout !== null) {
      differences.push(
        ...rolloutDifferences(platformOf(plan), planned.update, planned.rollout, rollout.rise),
      );
    }
    const { variant, arch, version } = planned;
    releases.push({ variant, arch, version, ...step, files: filesOf(planned), rollout });
  }
  if (!isDryRun) {
    const reason = `imported from ${layout.metadata.url}`;
    const { kept } = await destination.startRollouts(wanted, { now, by, reason });
    for (const version of kept) {
      const text = 'it has a rollout here already, which is left as it is';
      differences.push({
        code: 'import/rollout-kept',
        platform: platformOf(plan),
        version,
        text,
        data: {},
      });
    }
  }
  return { releases, differences };
}

const ALREADY_THERE: Step = { outcome: 'already-imported', bytes: 0 };

async function importRelease(planned: PlannedRelease, options: Options): Promise<Step> {
  const { destination, now, isDryRun, layout, source, begin } = options;
  const bytes = filesOf(planned).reduce((sum, { length }) => sum + length, 0);
  if (isDryRun) return { outcome: 'to-import', bytes };
  const images = [];
  for (const image of planned.images) {
    const raw = await copyImage(image, options);
    images.push([image.image, { target: image.target, format: image.format, ...raw }] as const);
  }
  for (const { target, source: file } of planned.migrations) {
    const progress = begin(`copy ${target}`, file.length);
    try {
      await destination.store(target, file, () =>
        counted(readSourceTarget(layout, file, source.hashPrefixed), progress),
      );
    } finally {
      progress.end();
    }
  }
  const { variant, arch, version, rollbackTo, migrations } = planned;
  const release: Release = {
    schema: 'tidegate.release/1',
    variant,
    arch,
    version,
    images: Object.fromEntries(images),
    // pubsys's repositories hold no root hash of their own.
    verity: null,
    minimumFrom: null,
    rollbackTo,
    migrations: migrations.map(({ target }) => target),
    notes: null,
    createdAt: formatInstant(now),
  };
  await destination.commitRelease(release, planned);
  return { outcome: 'imported', bytes };
}

/** One pass: the bytes are verified, stored and decompressed as they come. What is there already is read from there. */
async function copyImage(image: PlannedImage, options: Options): Promise<RawImage> {
  const { destination, layout, source, begin } = options;
  const { target, format, source: file } = image;
  const progress = begin(`copy ${target}`, file.length);
  try {
    const fromSource = counted(readSourceTarget(layout, file, source.hashPrefixed), progress);
    const { stored, raw } = meterRaw(format, fromSource);
    if ((await destination.store(target, file, () => stored)) === 'uploaded') return await raw;
    // A name with a hash in it proves nothing to whoever is about to sign what the bytes decompress to.
    const there = await destination.readStored(target, file.sha256);
    return await inspectRaw(format, counted(verifiedBytes(target, there, file), progress));
  } finally {
    progress.end();
  }
}

async function* counted(
  bytes: AsyncIterable<Uint8Array>,
  progress: Progress,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of bytes) {
    progress.advance(chunk.length);
    yield chunk;
  }
}

function filesOf({ images, migrations }: PlannedRelease): readonly ImportedFile[] {
  return [...images, ...migrations].map(({ target, source }) => ({
    target,
    source: source.name,
    length: source.length,
    sha256: source.sha256,
  }));
}

/** The rollout as `startRollouts` will start it, and how it compares with the source. */
function rolloutOf(planned: PlannedRelease, { now, by }: Options): ImportedRollout | null {
  if (planned.rollout === null) return null;
  const { policy, startAt } = planned.rollout;
  const { variant, arch, version, images, rollbackTo, migrations } = planned;
  const rolloutId = importId(planned);
  const release = {
    variant,
    arch,
    version,
    document: releaseDocumentTarget(planned),
    images: Object.fromEntries(images.map(({ image, target }) => [image, target])),
    minimumFrom: null,
    rollbackTo,
    migrations: migrations.map(({ target }) => target),
  };
  const origin = { id: rolloutId, rolloutId, at: now, by, reason: null };
  const [rollout] = applyVerb([], {
    ...origin,
    kind: 'start',
    release,
    policy,
    startAt,
    seeds: 'stable',
  });
  if (rollout === undefined || rollout.runningSince === null) return null;
  const running = { ...rollout, runningSince: rollout.runningSince };
  return {
    rolloutId,
    startAt: formatInstant(startAt),
    policy,
    tide: tideAt(rollout, now),
    rise: compareRises(planned.update.waves, running),
  };
}

/** It was taken away here for good; whoever wants it back gives it another name. */
function leftOut(planned: PlannedRelease, there: Release | null | undefined): Difference {
  const { at = '', by = '', reason = '' } = there?.withdrawn ?? {};
  return {
    code: 'import/withdrawn',
    platform: platformOf(planned),
    version: planned.update.version,
    text: `it was withdrawn here at ${at} by ${by}: ${reason}`,
    data: { at, by, reason },
  };
}

/** A release document never changes: what it says stays, whatever the options of this import are. */
function keptTerms(planned: PlannedRelease, there: Release): readonly Difference[] {
  const terms = [
    ['rollbackTo', planned.rollbackTo, there.rollbackTo],
    ['migrations', planned.migrations.map(({ target }) => target), there.migrations],
  ] as const;
  return terms
    .filter(([, wanted, kept]) => wanted.join() !== kept.join())
    .map(([name, wanted, kept]) => ({
      code: 'import/terms-kept',
      platform: platformOf(planned),
      version: planned.update.version,
      text: `it was published before; its document keeps ${name} ${kept.join(', ') || 'none'}`,
      data: { name, wanted, kept },
    }));
}

function platformOf({ variant, arch }: { readonly variant: string; readonly arch: string }) {
  return { variant, arch };
}
