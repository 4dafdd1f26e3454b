import * as z from 'zod';
import { parseJson } from '../json.ts';
import { canonicalBytes } from './canonical.ts';
import { TufError } from './errors.ts';
import { keyId, keyMaterial, readableKeySchema } from './keys.ts';
import type { Key } from './keys.ts';
import { isDelegatedRoleName, isPathPattern, isTargetName } from './names.ts';

/** The metadata files of TUF 1.0, field by field as their JSON holds them: our profile, and what tuftool writes. */
export type Envelope<S> = { readonly signed: S; readonly signatures: readonly Signature[] };
export type Signature = { readonly keyid: string; readonly sig: string };

type Signed<Type extends string> = {
  readonly _type: Type;
  readonly spec_version: string;
  readonly version: number;
  /** UTC with `Z`: `2030-01-01T00:00:00Z`. tuftool writes fractions of a second too; we read them and never write them. */
  readonly expires: string;
};

export type Keys = Readonly<Record<string, Key>>;
export type RoleKeys = { readonly keyids: readonly string[]; readonly threshold: number };
export type TopLevelRole = 'root' | 'targets' | 'snapshot' | 'timestamp';

export type RootMetadata = Signed<'root'> & {
  readonly consistent_snapshot: boolean;
  readonly keys: Keys;
  readonly roles: Readonly<Record<TopLevelRole, RoleKeys>>;
};

export type Hashes = { readonly sha256: string };
export type TargetFile = {
  readonly length: number;
  readonly hashes: Hashes;
  readonly custom?: Readonly<Record<string, unknown>>;
};
export type DelegatedRole = RoleKeys & {
  readonly name: string;
  readonly terminating: boolean;
  readonly paths: readonly string[];
};
export type Delegations = { readonly keys: Keys; readonly roles: readonly DelegatedRole[] };
export type TargetsMetadata = Signed<'targets'> & {
  readonly targets: Readonly<Record<string, TargetFile>>;
  readonly delegations?: Delegations;
};

export type MetaFile = {
  readonly version: number;
  readonly length: number;
  readonly hashes: Hashes;
};
/** `meta` is keyed by file name without version: `targets.json`, `<delegated role>.json`. */
export type SnapshotMetadata = Signed<'snapshot'> & {
  readonly meta: Readonly<Record<string, MetaFile>>;
};
export type TimestampMetadata = Signed<'timestamp'> & {
  readonly meta: { readonly 'snapshot.json': MetaFile };
};

export type Metadata = RootMetadata | TargetsMetadata | SnapshotMetadata | TimestampMetadata;

/** Metadata as it was read: its checked content, and the exact bytes that its signatures are about. */
export type ReadMetadata<S> = Envelope<S> & { readonly signedBytes: Uint8Array };

/** Metadata with the very bytes of its file, to be published as it is. */
export type SignedMetadata<S> = ReadMetadata<S> & { readonly bytes: Uint8Array };

/** The most bytes that every client reads of a metadata file (tuf-js is the smallest of all). */
export const MAX_LENGTHS = {
  root: 512_000,
  timestamp: 16_384,
  snapshot: 1_000_000,
  targets: 5_000_000,
} as const;

const hex64 = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hex digits');
const positive = z.int().min(1);
const signedFields = {
  spec_version: z.string().regex(/^1\.\d+(\.\d+)?$/, 'must be a TUF 1 version'),
  version: positive,
  expires: z.string().refine(isInstant, 'must be a time like 2030-01-01T00:00:00Z'),
};
const keys = z.record(hex64, readableKeySchema).readonly();
const roleKeysFields = {
  keyids: z.array(hex64).readonly(),
  threshold: positive,
};
const hashes = z.looseObject({ sha256: hex64 }).readonly();

const rootSchema: z.ZodType<RootMetadata> = z
  .looseObject({
    _type: z.literal('root'),
    ...signedFields,
    consistent_snapshot: z.boolean(),
    keys,
    roles: z
      .strictObject({
        root: z.looseObject(roleKeysFields).readonly(),
        targets: z.looseObject(roleKeysFields).readonly(),
        snapshot: z.looseObject(roleKeysFields).readonly(),
        timestamp: z.looseObject(roleKeysFields).readonly(),
      })
      .readonly(),
  })
  .readonly()
  .superRefine((root, context) => {
    checkKeys(root.keys, Object.entries(root.roles), (message) => context.addIssue(message));
  });

// tough drops unknown fields in here before it verifies, so none are allowed.
const delegationsSchema = z
  .strictObject({
    keys,
    roles: z
      .array(
        z
          .strictObject({
            ...roleKeysFields,
            name: z.string().refine(isDelegatedRoleName, 'must be a role name [a-z][a-z0-9._-]*'),
            terminating: z.boolean(),
            paths: z
              .array(z.string().refine(isPathPattern, 'must be a target name, or a prefix and *'))
              .min(1)
              .readonly(),
          })
          .readonly(),
      )
      .readonly(),
  })
  .readonly()
  .superRefine(({ keys: byId, roles }, context) => {
    const addIssue = (message: string) => context.addIssue(message);
    checkKeys(
      byId,
      roles.map((role) => [role.name, role]),
      addIssue,
    );
    if (new Set(roles.map(({ name }) => name)).size < roles.length) {
      addIssue('two delegated roles have one name');
    }
  });

const targetsSchema: z.ZodType<TargetsMetadata> = z
  .looseObject({
    _type: z.literal('targets'),
    ...signedFields,
    targets: z
      .record(
        z.string().refine(isTargetName, 'must be a flat target name of [A-Za-z0-9._-]'),
        z
          .looseObject({
            length: z.int().min(0),
            hashes,
            custom: z.record(z.string(), z.unknown()).exactOptional(),
          })
          .readonly(),
      )
      .readonly(),
    delegations: delegationsSchema.exactOptional(),
  })
  .readonly();

const metaFile = z.looseObject({ version: positive, length: positive, hashes }).readonly();

const snapshotSchema: z.ZodType<SnapshotMetadata> = z
  .looseObject({
    _type: z.literal('snapshot'),
    ...signedFields,
    meta: z.record(z.string().regex(/^[a-z][a-z0-9._-]*\.json$/), metaFile).readonly(),
  })
  .readonly()
  .refine(({ meta }) => Object.hasOwn(meta, 'targets.json'), 'must name targets.json');

const timestampSchema: z.ZodType<TimestampMetadata> = z
  .looseObject({
    _type: z.literal('timestamp'),
    ...signedFields,
    meta: z.strictObject({ 'snapshot.json': metaFile }).readonly(),
  })
  .readonly();

const envelopeSchema = z.looseObject({
  signed: z.unknown(),
  signatures: z.array(z.looseObject({ keyid: z.string(), sig: z.string() }).readonly()).readonly(),
});

/** Each parser checks form only, never a signature. `file` is for the message. Throws `tuf/format`. */
export function parseRoot(bytes: Uint8Array, file: string): ReadMetadata<RootMetadata> {
  return parseMetadata(rootSchema, bytes, file);
}

export function parseTargets(bytes: Uint8Array, file: string): ReadMetadata<TargetsMetadata> {
  return parseMetadata(targetsSchema, bytes, file);
}

export function parseSnapshot(bytes: Uint8Array, file: string): ReadMetadata<SnapshotMetadata> {
  return parseMetadata(snapshotSchema, bytes, file);
}

export function parseTimestamp(bytes: Uint8Array, file: string): ReadMetadata<TimestampMetadata> {
  return parseMetadata(timestampSchema, bytes, file);
}

/**
 * The bytes of a metadata file: compact JSON with sorted keys. Not canonical JSON, because that leaves the line breaks of
 * PEM keys unescaped, which no JSON parser reads.
 */
export function encodeEnvelope(envelope: Envelope<Metadata>): Uint8Array {
  const { signed, signatures } = envelope;
  return new TextEncoder().encode(JSON.stringify(withSortedKeys({ signed, signatures })));
}

function parseMetadata<S>(schema: z.ZodType<S>, bytes: Uint8Array, file: string): ReadMetadata<S> {
  const envelope = envelopeSchema.safeParse(readJson(bytes, file));
  if (!envelope.success) throw formatError(file, envelope.error);
  const { signatures } = envelope.data;
  const signed = schema.safeParse(envelope.data.signed);
  if (!signed.success) throw formatError(file, signed.error);
  if (new Set(signatures.map(({ keyid }) => keyid)).size < signatures.length) {
    throw new TufError('tuf/format', `${file}: two signatures have one key id`);
  }
  // Signatures are about what was received, not about what the schema made of it.
  return { signed: signed.data, signatures, signedBytes: canonicalBytes(envelope.data.signed) };
}

function readJson(bytes: Uint8Array, file: string): unknown {
  try {
    return parseJson(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (cause) {
    throw new TufError('tuf/format', `${file} is not JSON`, { cause });
  }
}

function formatError(file: string, error: z.ZodError): TufError {
  return new TufError('tuf/format', `${file}: ${z.prettifyError(error)}`);
}

function checkKeys(
  byId: Keys,
  roles: readonly (readonly [string, RoleKeys])[],
  addIssue: (message: string) => void,
): void {
  const idOf = new Map<string, string>();
  for (const [id, key] of Object.entries(byId)) {
    if (keyId(key) !== id) addIssue(`key ${id} must have the id ${keyId(key)}`);
    const other = idOf.get(keyMaterial(key));
    // One key in two encodings would count twice towards a threshold.
    if (other !== undefined) addIssue(`keys ${other} and ${id} are the same key`);
    idOf.set(keyMaterial(key), id);
  }
  for (const [name, { keyids, threshold }] of roles) {
    if (new Set(keyids).size < keyids.length) addIssue(`${name} names a key twice`);
    if (threshold > keyids.length) {
      addIssue(`${name} has ${keyids.length} keys and asks for ${threshold}`);
    }
    keyids
      .filter((id) => !Object.hasOwn(byId, id))
      .forEach((id) => addIssue(`${name} names key ${id}, which is not there`));
  }
}

function isInstant(text: string): boolean {
  const [, wholeSeconds] = /^(.{19})(?:\.\d{1,9})?Z$/.exec(text) ?? [];
  if (wholeSeconds === undefined) return false;
  // Written back it tells a day that does not exist, which Date would take for one of the next month.
  const time = new Date(`${wholeSeconds}Z`);
  return !Number.isNaN(time.getTime()) && time.toISOString() === `${wholeSeconds}.000Z`;
}

function withSortedKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withSortedKeys);
  if (typeof value !== 'object' || value === null) return value;
  const sorted = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(sorted.map(([key, child]) => [key, withSortedKeys(child)]));
}
