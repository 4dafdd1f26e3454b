import { z } from 'zod';
import { ExpectedError } from './errors.ts';
import { parseJson } from './json.ts';

export class ProvenanceError extends ExpectedError<
  /** No file, or one that is too large to be kept beside the images. */
  | 'provenance/unreadable'
  /** No in-toto statement, and no DSSE envelope or bundle around one. */
  | 'provenance/format'
  /** The statement does not speak of an image of the release. */
  | 'provenance/subject'
> {}

/** What a build service states about the files that it made, as far as people ask for it. */
export type Provenance = {
  readonly predicateType: string;
  /** Null where a predicate of this type does not say it, or it is not SLSA's. */
  readonly builderId: string | null;
  readonly buildType: string | null;
  readonly source: {
    readonly uri: string;
    readonly digest: Readonly<Record<string, string>>;
  } | null;
  readonly subjects: readonly {
    readonly name: string | null;
    /** By algorithm, in hex. */
    readonly digest: Readonly<Record<string, string>>;
  }[];
};

const digestSet = z.record(z.string(), z.string()).readonly();

// https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md; 0.1 is the same but for its name.
const statementSchema = z.object({
  _type: z.enum(['https://in-toto.io/Statement/v1', 'https://in-toto.io/Statement/v0.1']),
  subject: z
    .array(z.object({ name: z.string().nullable().default(null), digest: digestSet }).readonly())
    .min(1)
    .readonly(),
  predicateType: z.string().min(1),
  predicate: z.unknown().optional(),
});

// https://github.com/secure-systems-lab/dsse/blob/master/envelope.md
const envelopeSchema = z.object({
  payloadType: z.literal('application/vnd.in-toto+json'),
  payload: z.string(),
  signatures: z.array(z.unknown()).min(1),
});

// https://docs.sigstore.dev/about/bundle/
const bundleSchema = z.object({ mediaType: z.string(), dsseEnvelope: envelopeSchema });

const resource = z.object({
  uri: z.string().optional().catch(undefined),
  digest: digestSet.default({}).catch({}),
});

// https://slsa.dev/spec/v1.0/provenance
const slsa1Schema = z.object({
  buildDefinition: z.object({
    buildType: z.string(),
    resolvedDependencies: z.array(resource).default([]).catch([]),
  }),
  runDetails: z.object({ builder: z.object({ id: z.string() }) }),
});

// https://slsa.dev/spec/v0.2/provenance
const slsa02Schema = z.object({
  builder: z.object({ id: z.string() }),
  buildType: z.string(),
  invocation: z.object({ configSource: resource.optional() }).optional().catch(undefined),
});

/**
 * Reads an in-toto statement: plain JSON, in a DSSE envelope, or in a Sigstore bundle. Signatures in it are not checked:
 * the key that signs the release vouches for the file, whose hash the release document binds.
 */
export function parseProvenance(bytes: Uint8Array): Provenance {
  const value = readJson(bytes, 'provenance');
  const bundle = bundleSchema.safeParse(value);
  const envelope = envelopeSchema.safeParse(bundle.success ? bundle.data.dsseEnvelope : value);
  const statement = envelope.success
    ? readJson(base64(envelope.data.payload), 'the payload of the provenance')
    : value;
  const result = statementSchema.safeParse(statement);
  if (!result.success) {
    throw new ProvenanceError(
      'provenance/format',
      `provenance is no in-toto statement: ${z.prettifyError(result.error)}`,
      { hints: ['give a Statement as JSON, or a DSSE envelope or Sigstore bundle around one'] },
    );
  }
  const { predicateType, predicate, subject } = result.data;
  return { predicateType, ...buildOf(predicateType, predicate), subjects: subject };
}

/** Throws `provenance/subject` unless the statement names every image, as stored or raw, by its SHA-256. */
export function requireSubjects(
  { subjects }: Provenance,
  images: readonly { readonly image: string; readonly sha256s: readonly string[] }[],
): void {
  const named = new Set(subjects.map(({ digest }) => digest['sha256']?.toLowerCase()));
  const strangers = images.filter(({ sha256s }) => !sha256s.some((sha256) => named.has(sha256)));
  if (strangers.length === 0) return;
  const first = strangers.flatMap(({ sha256s }) => [...new Set(sha256s)]).slice(0, 2);
  throw new ProvenanceError(
    'provenance/subject',
    `provenance does not speak of image ${strangers.map(({ image }) => image).join(', ')}: ` +
      `no subject has SHA-256 ${first.join(' or ')}`,
    { hints: [`its subjects are ${subjects.map(({ name }) => name ?? '?').join(', ')}`] },
  );
}

function buildOf(
  predicateType: string,
  predicate: unknown,
): Pick<Provenance, 'builderId' | 'buildType' | 'source'> {
  const none = { builderId: null, buildType: null, source: null };
  if (!predicateType.startsWith('https://slsa.dev/provenance/')) return none;
  const one = slsa1Schema.safeParse(predicate);
  if (one.success) {
    const { buildDefinition, runDetails } = one.data;
    // The first is what the build was started from, by GitHub's and Google's build types.
    const [source] = buildDefinition.resolvedDependencies;
    return {
      builderId: runDetails.builder.id,
      buildType: buildDefinition.buildType,
      source: sourceOf(source),
    };
  }
  const old = slsa02Schema.safeParse(predicate);
  if (!old.success) return none;
  const { builder, buildType, invocation } = old.data;
  return { builderId: builder.id, buildType, source: sourceOf(invocation?.configSource) };
}

function sourceOf(from: z.infer<typeof resource> | undefined): Provenance['source'] {
  return from?.uri === undefined ? null : { uri: from.uri, digest: from.digest };
}

function readJson(bytes: Uint8Array, what: string): unknown {
  try {
    return parseJson(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new ProvenanceError('provenance/format', `${what} is not JSON`, { cause });
  }
}

function base64(text: string): Uint8Array {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch (cause) {
    throw new ProvenanceError('provenance/format', 'the payload of the provenance is no base64', {
      cause,
    });
  }
}
