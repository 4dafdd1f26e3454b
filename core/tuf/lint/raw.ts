import { JsonError, parseJson } from '../../json.ts';
import type { RepositoryMetadata } from '../repository-metadata.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

/** A metadata file as it lies there, however wrong it is. */
export type RawFile = {
  /** `root`, `targets`, `snapshot`, `timestamp`, or the name of a delegated role. */
  readonly role: string;
  /** Its name in the repository, as `3.root.json`; for messages. */
  readonly name: string;
  /** Null for metadata that is not written yet. */
  readonly bytes: Uint8Array | null;
  /** The signed part; undefined if the bytes are not JSON. */
  readonly signed: unknown;
  /** Null for metadata that is not signed yet; whatever else stands there otherwise. */
  readonly signatures: unknown;
  /** Why this is no proper JSON, or null. */
  readonly fault: string | null;
};

/** A file, and what findings in it are called: `root`, `1.root`, `targets`, … */
export type Document = {
  readonly where: string;
  readonly file: RawFile;
  readonly signed: JsonObject;
};

/** The metadata of a repository without any assumption about its form. */
export type RawRepository = {
  /** From the oldest one that is looked at to the newest. */
  readonly roots: readonly RawFile[];
  readonly timestamp: RawFile | null;
  readonly snapshot: RawFile | null;
  readonly targets: RawFile | null;
  /** By role name; the ones that could be read of all that is delegated, on every level. */
  readonly delegated: ReadonlyMap<string, RawFile>;
  /** Files that the metadata names and that are not there. */
  readonly missing: readonly string[];
};

const MAX_DEPTH = 64;

/** Reads what can be read: text that only a lenient reader takes still has content, beside its fault. */
export function rawFile(role: string, name: string, bytes: Uint8Array): RawFile {
  const { value, fault } = readLeniently(bytes);
  const envelope = objectOf(value);
  return {
    role,
    name,
    bytes,
    signed: envelope['signed'],
    signatures: envelope['signatures'] ?? [],
    fault,
  };
}

/** Metadata that is about to be signed, so that it can be checked like what was read. */
export function rawRepository(metadata: RepositoryMetadata): RawRepository {
  const unsigned = (role: string, signed: unknown): RawFile => ({
    role,
    name: `${role}.json`,
    bytes: null,
    signed,
    signatures: null,
    fault: null,
  });
  return {
    roots: [unsigned('root', metadata.root)],
    timestamp: unsigned('timestamp', metadata.timestamp),
    snapshot: unsigned('snapshot', metadata.snapshot),
    targets: unsigned('targets', metadata.targets),
    delegated: new Map(
      [...metadata.delegated].map(([name, role]) => [name, unsigned(name, role)] as const),
    ),
    missing: [],
  };
}

/** An object of the JSON, or an empty one where something else stands. */
export function objectOf(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What stands under this key itself; a key like `constructor` has nothing of its own. */
export function own(object: JsonObject, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/** A value of any kind for a message, short. */
export function show(value: unknown): string {
  return printable(typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing'));
}

/** Text of others in plain ASCII and of bounded length: a repository may not steer anybody's terminal. */
export function printable(text: string): string {
  const plain = text
    .slice(0, 200)
    .replaceAll(
      /[^\x20-\x7e]/g,
      (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
    );
  return text.length > 200 ? `${plain}...` : plain;
}

function readLeniently(bytes: Uint8Array): {
  readonly value: unknown;
  readonly fault: string | null;
} {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return { value: undefined, fault: 'is not UTF-8' };
  }
  try {
    return { value: parseJson(text), fault: null };
  } catch (error) {
    const fault = error instanceof JsonError ? error.message : 'is not JSON';
    return { value: parseQuietly(text), fault };
  }
}

/** JSON that says a key twice has a reading, even though not every client has the same one. */
function parseQuietly(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return isDeep(value, MAX_DEPTH) ? undefined : value;
  } catch {
    return undefined;
  }
}

/** Whoever walks through such a value would come to the end of the stack. */
function isDeep(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return depth === 0 || Object.values(value).some((child) => isDeep(child, depth - 1));
}
