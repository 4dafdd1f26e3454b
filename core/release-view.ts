import { z } from 'zod';
import { IMAGE_FORMATS, releaseDocumentTarget } from './tuf/names.ts';
import { findTarget } from './tuf/repository-metadata.ts';
import type { RepositoryMetadata } from './tuf/repository-metadata.ts';
import type { Release } from './release.ts';
import { viewOf } from './rollout-view.ts';
import { currentRollouts, ROLLOUT_STATES } from './rollout.ts';
import type { Rollout } from './rollout.ts';

const sha256 = z.string();
const storedFileSchema = z.object({ target: z.string(), length: z.int(), sha256 });
type StoredFile = z.infer<typeof storedFileSchema>;

const rolloutSchema = z.object({
  id: z.string(),
  state: z.enum(ROLLOUT_STATES),
  phase: z.string(),
  seeds: z.int(),
  /** Whether any host may start on it now. */
  isGiven: z.boolean(),
  /** Where hosts that run the release are sent. */
  sentBackTo: z.string().nullable(),
});

/** A published release for machines, by the API and by the command line alike. */
export const releaseJsonSchema = z.object({
  variant: z.string(),
  arch: z.string(),
  version: z.string(),
  /** When the release document was made, signed with it. */
  createdAt: z.string(),
  minimumFrom: z.string().nullable(),
  rollbackTo: z.array(z.string()),
  notes: z.string().nullable(),
  withdrawn: z
    .object({ at: z.string(), by: z.string(), reason: z.string(), before: sha256 })
    .nullable(),
  document: storedFileSchema,
  images: z.array(
    z.object({
      image: z.string(),
      target: z.string(),
      format: z.enum(IMAGE_FORMATS),
      raw: z.object({ size: z.int(), sha256 }),
      /** Null for a file that the document names and no role lists. */
      stored: storedFileSchema.nullable(),
    }),
  ),
  /** The rollout that decides who gets the release; null if it never had one. */
  rollout: rolloutSchema.nullable(),
  /** Rollouts of other releases, rolled back, whose hosts are sent to this one. */
  wayBackOf: z.array(z.object({ id: z.string(), version: z.string() })),
});
export type ReleaseJson = z.infer<typeof releaseJsonSchema>;

/** Query of `GET /api/v1/releases`. */
export const releaseQuerySchema = z.strictObject({
  variant: z.string().max(128).optional(),
  arch: z.string().max(128).optional(),
});

/** Query of `GET /api/v1/releases/latest`. */
export const latestQuerySchema = releaseQuerySchema.required();

/** Body of `GET /api/v1/releases`, by variant, arch and version. */
export const releaseListSchema = z.object({ releases: z.array(releaseJsonSchema) });

/** What operators are shown of a published release. */
export type ReleaseView = Pick<ReleaseJson, 'document' | 'rollout' | 'wayBackOf'> & {
  readonly release: Release;
  /** As they are stored; null for a file that the document names and no role lists. */
  readonly images: Readonly<Record<string, StoredFile | null>>;
};

/** The release as it stands in the repository and in the rollouts; null if its document is not listed. */
export function viewOfRelease(
  metadata: RepositoryMetadata,
  {
    release,
    rollouts,
    now,
  }: { readonly release: Release; readonly rollouts: readonly Rollout[]; readonly now: Date },
): ReleaseView | null {
  const document = storedFile(metadata, releaseDocumentTarget(release));
  if (document === null) return null;
  const current = currentRollouts(rollouts, release);
  const own = current.find(({ release: { version } }) => version === release.version);
  const images = Object.entries(release.images).map(([image, { target }]) => [
    image,
    storedFile(metadata, target),
  ]);
  return {
    release,
    document,
    images: Object.fromEntries(images),
    rollout: own === undefined ? null : rolloutOf(own, now),
    wayBackOf: current.flatMap(({ id, release: { version }, sentBackTo }) =>
      sentBackTo?.version === release.version ? [{ id, version }] : [],
    ),
  };
}

function rolloutOf(rollout: Rollout, now: Date): z.infer<typeof rolloutSchema> {
  const { id, state, phase, tide, sentBackTo } = viewOf(rollout, now, {
    counts: null,
    failures: [],
  });
  const isGiven = state === 'running' && tide.seeds > 0;
  return { id, state, phase, seeds: tide.seeds, isGiven, sentBackTo };
}

function storedFile(metadata: RepositoryMetadata, target: string): StoredFile | null {
  const found = findTarget(metadata, target);
  return found === null ? null : { target, length: found.length, sha256: found.hashes.sha256 };
}

/** The same facts for machines. */
export function releaseJson(view: ReleaseView): ReleaseJson {
  const { release, document, images, rollout, wayBackOf } = view;
  const { variant, arch, version, createdAt, minimumFrom, rollbackTo } = release;
  return {
    ...{ variant, arch, version, createdAt, minimumFrom, rollbackTo: [...rollbackTo] },
    notes: release.notes,
    withdrawn: release.withdrawn ?? null,
    document,
    images: Object.entries(release.images).map(
      ([image, { target, format, size, sha256: raw }]) => ({
        image,
        target,
        format,
        raw: { size, sha256: raw },
        stored: images[image] ?? null,
      }),
    ),
    rollout,
    wayBackOf,
  };
}
