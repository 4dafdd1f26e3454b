import { parseVersion, VersionError } from '../version.ts';
import { BottlerocketError, quote } from './errors.ts';
import { parseJsonTree } from './json-tree.ts';
import type { JsonNode } from './json-tree.ts';
import { formatNanoseconds } from './nanoseconds.ts';
import type { Nanoseconds } from './nanoseconds.ts';
import { parseRelaxedTime } from './relaxed-time.ts';
import { parseU32 } from './u32.ts';

/** Seed bound (a u32) and instant, sorted by bound, no bound twice. */
export type Waves = readonly (readonly [number, Nanoseconds])[];

export type Update = {
  readonly variant: string;
  readonly arch: string;
  readonly version: string;
  readonly maxVersion: string;
  readonly waves: Waves;
  /** TUF target names. */
  readonly images: { readonly boot: string; readonly root: string; readonly hash: string };
};

export type Migration = {
  readonly from: string;
  readonly to: string;
  /** TUF target names, in the order in which they run on the way up. */
  readonly names: readonly string[];
};

export type Manifest = {
  readonly updates: readonly Update[];
  readonly migrations: readonly Migration[];
};

/**
 * Reads `manifest.json` as updog does, by serde: unknown keys are ignored, known ones must stand there exactly once, and
 * an array of exactly its values in order may stand for an object. Throws BottlerocketError.
 */
export function parseManifest(text: string): Manifest {
  const field = structOf(parseJsonTree(text), ['updates', 'migrations'], 'manifest');
  return {
    updates: itemsOf(field('updates'), 'updates').map((node, index) =>
      updateOf(node, `updates[${index}]`),
    ),
    migrations: migrationsOf(field('migrations')),
  };
}

/** The bytes that Bottlerocket's tools write for this manifest; there is no newline at the end. */
export function formatManifest(manifest: Manifest): string {
  const updates = manifest.updates.map(({ variant, arch, version, maxVersion, waves, images }) => ({
    variant,
    arch,
    version,
    max_version: maxVersion,
    // Whole numbers as keys stand in rising order in any JavaScript object, as in Rust's ordered map.
    waves: Object.fromEntries(waves.map(([bound, at]) => [bound, formatNanoseconds(at)])),
    images: { boot: images.boot, root: images.root, hash: images.hash },
  }));
  const migrations = manifest.migrations
    .map(({ from, to, names }) => [`(${from}, ${to})`, names] as const)
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify({ updates, migrations: Object.fromEntries(migrations) }, null, 2);
}

function updateOf(node: JsonNode, where: string): Update {
  const field = structOf(
    node,
    ['variant', 'arch', 'version', 'max_version', 'waves', 'images'],
    where,
  );
  const image = structOf(field('images'), ['boot', 'root', 'hash'], `${where}.images`);
  return {
    variant: textOf(field('variant'), `${where}.variant`),
    arch: textOf(field('arch'), `${where}.arch`),
    version: versionOf(field('version'), `${where}.version`),
    maxVersion: versionOf(field('max_version'), `${where}.max_version`),
    waves: wavesOf(field('waves'), `${where}.waves`),
    images: {
      boot: textOf(image('boot'), `${where}.images.boot`),
      root: textOf(image('root'), `${where}.images.root`),
      hash: textOf(image('hash'), `${where}.images.hash`),
    },
  };
}

function wavesOf(node: JsonNode, where: string): Waves {
  const waves = new Map<number, Nanoseconds>();
  for (const [key, value] of membersOf(node, where)) {
    const bound = parseU32(key);
    if (bound === null) {
      throw new BottlerocketError(
        'bottlerocket/bound',
        `${where}: key must be a whole number below 2^32, got ${quote(key)}`,
      );
    }
    if (waves.has(bound)) {
      throw new BottlerocketError(
        'bottlerocket/duplicate-bound',
        `${where}: bound ${bound} stands twice`,
      );
    }
    waves.set(bound, parseRelaxedTime(textOf(value, `${where}[${bound}]`)));
  }
  return [...waves].toSorted(([a], [b]) => a - b);
}

/**
 * Upstream's unanchored `\(([^ ,]+),[ ]*([^ ,]+)\)`, held to the beginning of a run without spaces and commas, so that
 * a long key takes linear time. The match is the same.
 */
const MIGRATION_KEY = /(?<![^ ,])[^ ,(]*\(([^ ,]+),[ ]*([^ ,]+)\)/;

function migrationsOf(node: JsonNode): readonly Migration[] {
  const migrations = new Map<string, Migration>();
  for (const [key, value] of membersOf(node, 'migrations')) {
    const [, from, to] = MIGRATION_KEY.exec(key) ?? [];
    if (from === undefined || to === undefined) {
      throw new BottlerocketError(
        'bottlerocket/migration-key',
        `migrations: key must be like "(1.0.0, 1.1.0)", got ${quote(key)}`,
      );
    }
    const where = `migrations[${quote(key)}]`;
    const pair = `(${checkedVersion(from, where)}, ${checkedVersion(to, where)})`;
    if (migrations.has(pair)) {
      throw new BottlerocketError(
        'bottlerocket/duplicate-migration',
        `migrations: ${pair} stands twice`,
      );
    }
    const names = itemsOf(value, where).map((item) => textOf(item, where));
    migrations.set(pair, { from, to, names });
  }
  return [...migrations.values()];
}

function structOf<Name extends string>(
  node: JsonNode,
  names: readonly Name[],
  where: string,
): (name: Name) => JsonNode {
  const known: readonly string[] = names;
  const found = new Map<string, JsonNode>();
  for (const [key, value] of structMembers(node, names, where)) {
    if (!known.includes(key)) continue;
    if (found.has(key)) throw broken(`${where}: key ${key} stands twice`);
    found.set(key, value);
  }
  return (name) => {
    const value = found.get(name);
    if (value === undefined) throw broken(`${where}: key ${name} is missing`);
    return value;
  };
}

function structMembers(
  node: JsonNode,
  names: readonly string[],
  where: string,
): readonly (readonly [string, JsonNode])[] {
  if (node.kind !== 'array') return membersOf(node, where);
  if (node.items.length !== names.length) {
    throw broken(`${where}: must hold ${names.length} values, got ${node.items.length}`);
  }
  return node.items.map((item, index) => [names[index] ?? '', item]);
}

function membersOf(node: JsonNode, where: string): readonly (readonly [string, JsonNode])[] {
  if (node.kind !== 'object') throw broken(`${where}: must be an object, got ${node.kind}`);
  node.members.forEach(([key]) => wellFormed(key, where));
  return node.members;
}

function itemsOf(node: JsonNode, where: string): readonly JsonNode[] {
  if (node.kind !== 'array') throw broken(`${where}: must be an array, got ${node.kind}`);
  return node.items;
}

function textOf(node: JsonNode, where: string): string {
  if (node.kind !== 'string') throw broken(`${where}: must be a string, got ${node.kind}`);
  return wellFormed(node.text, where);
}

/** Rust's strings hold no half of a surrogate pair, which JSON can escape. */
function wellFormed(text: string, where: string): string {
  if (!text.isWellFormed()) throw broken(`${where}: not Unicode, got ${quote(text)}`);
  return text;
}

function versionOf(node: JsonNode, where: string): string {
  return checkedVersion(textOf(node, where), where);
}

function checkedVersion(text: string, where: string): string {
  try {
    parseVersion(text);
    return text;
  } catch (cause) {
    if (!(cause instanceof VersionError)) throw cause;
    throw new BottlerocketError('bottlerocket/version', `${where}: ${cause.message}`, { cause });
  }
}

function broken(message: string): BottlerocketError {
  return new BottlerocketError('bottlerocket/manifest', message);
}
