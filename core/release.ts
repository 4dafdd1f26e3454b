import * as z from 'zod';
import { ExpectedError } from './errors.ts';
import { formatInstant, parseInstant } from './instant.ts';
import { parseJson } from './json.ts';
import {
  IMAGE_FORMATS,
  imageTarget,
  isArch,
  isImageName,
  isReleaseVersion,
  isVariant,
  provenanceTarget,
} from './tuf/names.ts';
import type { ImageFormat } from './tuf/names.ts';
import { compareVersions } from './version.ts';

export type ReleaseErrorCode =
  /** Not JSON, or not the shape of `tidegate.release/1`. */
  | 'release/format'
  /** Its parts contradict each other: versions, target names or verity images. */
  | 'release/contradiction';

export class ReleaseError extends ExpectedError<ReleaseErrorCode> {}

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hex digits');
const version = z
  .string()
  .refine(isReleaseVersion, 'must be a semantic version without build metadata');
const instant = z.string().refine(isInstant, 'must be a time like 2026-03-01T12:00:00Z');
const imageName = z.string().refine(isImageName, 'must be an image name [a-z][a-z0-9_]*');

const releaseSchema = z
  .strictObject({
    schema: z.literal('tidegate.release/1'),
    variant: z.string().refine(isVariant, 'must be a variant [a-z0-9][a-z0-9._-]*'),
    arch: z.string().refine(isArch, 'must be an arch [a-z0-9][a-z0-9_]*'),
    version,
    images: z
      .record(
        imageName,
        z
          .strictObject({
            target: z.string(),
            format: z.enum(IMAGE_FORMATS),
            /** Bytes of the raw image, as `sha256` is of the raw image. */
            size: z.int().min(0),
            sha256,
          })
          .readonly(),
      )
      .readonly()
      .refine((images) => Object.keys(images).length > 0, 'must name at least one image'),
    /** The dm-verity root hash that binds `hashImage` to `image`. */
    verity: z
      .strictObject({
        image: imageName,
        hashImage: imageName,
        rootHash: z.string().regex(/^(?:[0-9a-f]{2}){20,64}$/, 'must be a lower-case hex hash'),
      })
      .readonly()
      .nullable(),
    /** A barrier: older hosts must step through an earlier release. */
    minimumFrom: version.nullable(),
    /** Where a host on this release may be sent back to. */
    rollbackTo: z.array(version).readonly(),
    migrations: z.array(z.string().regex(/^[\x21-\x7e]{1,200}$/)).readonly(),
    notes: z.url({ protocol: /^https?$/ }).nullable(),
    /** An in-toto statement about the images, stored as a target; read it with `parseProvenance`. */
    provenance: z
      .strictObject({ target: z.string(), length: z.int().min(1), sha256 })
      .readonly()
      .optional(),
    createdAt: instant,
    /**
     * Changes of the terms since, oldest first; absent if there were none. `before` is the SHA-256 of the document that the
     * change replaced, whose bytes stay in the storage under their hash.
     */
    amended: z
      .array(
        z
          .strictObject({ at: instant, by: z.string(), reason: z.string().min(1), before: sha256 })
          .readonly(),
      )
      .min(1)
      .readonly()
      .optional(),
    /** Set once and for good when its images were taken out of the repository; absent before. */
    withdrawn: z
      .strictObject({ at: instant, by: z.string(), reason: z.string().min(1), before: sha256 })
      .readonly()
      .optional(),
  })
  .readonly();

/** The signed statement that binds the images of one version of one variant for one arch. */
export type Release = z.infer<typeof releaseSchema>;
export type ReleaseImage = Release['images'][string];

/** Reads a release document. Whoever fetched it compares `releaseDocumentTarget(release)` with the name it came under. */
export function parseRelease(bytes: Uint8Array): Release {
  return checkRelease(readJson(bytes));
}

/** The bytes of a release document: JSON indented by two, keys in the order of the schema. Checks it first. */
export function formatRelease(release: Release): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(checkRelease(release), null, 2)}\n`);
}

function checkRelease(value: unknown): Release {
  const result = releaseSchema.safeParse(value);
  if (!result.success) {
    throw new ReleaseError('release/format', `release document: ${z.prettifyError(result.error)}`);
  }
  const release = result.data;
  checkVersions(release);
  checkImages(release);
  return release;
}

function checkVersions({ version: own, minimumFrom, rollbackTo }: Release): void {
  if (minimumFrom !== null && compareVersions(minimumFrom, own) >= 0) {
    throw contradiction(`minimumFrom must be below ${own}, got ${minimumFrom}`);
  }
  for (const [index, target] of rollbackTo.entries()) {
    if (compareVersions(target, own) >= 0) {
      throw contradiction(`rollbackTo must be below ${own}, got ${target}`);
    }
    if (rollbackTo.indexOf(target) !== index)
      throw contradiction(`rollbackTo names ${target} twice`);
  }
}

function checkImages(release: Release): void {
  for (const [image, { target, format }] of Object.entries(release.images)) {
    const expected = expectedTarget(release, image, format);
    if (target !== expected) {
      throw contradiction(`the target of image ${image} must be ${expected}, got ${target}`);
    }
  }
  const { provenance, verity, images } = release;
  const statement = provenanceTarget(release);
  if (provenance !== undefined && provenance.target !== statement) {
    throw contradiction(`the provenance must be ${statement}, got ${provenance.target}`);
  }
  if (verity === null) return;
  const missing = [verity.image, verity.hashImage].find((image) => !Object.hasOwn(images, image));
  if (missing !== undefined)
    throw contradiction(`verity names image ${missing}, which is not there`);
  if (verity.image === verity.hashImage) {
    throw contradiction(`verity names ${verity.image} as image and as hash image`);
  }
}

function expectedTarget(release: Release, image: string, format: ImageFormat): string {
  try {
    return imageTarget({ ...release, image, format });
  } catch (cause) {
    // The parts are well-formed one by one, but too long together, or the image name is reserved.
    throw new ReleaseError(
      'release/contradiction',
      `release document: no target can be named after image ${image} of ${release.variant} ${release.version}`,
      { cause },
    );
  }
}

function contradiction(message: string): ReleaseError {
  return new ReleaseError('release/contradiction', `release document: ${message}`);
}

function readJson(bytes: Uint8Array): unknown {
  try {
    return parseJson(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (cause) {
    throw new ReleaseError('release/format', 'release document is not JSON', { cause });
  }
}

function isInstant(text: string): boolean {
  try {
    return formatInstant(parseInstant(text)) === text;
  } catch {
    return false;
  }
}
