import { resolve } from 'node:path';
import type * as z from 'zod';
import { parseDuration } from '../core/duration.ts';
import { readConfigFiles } from './config-files.ts';
import type { ConfigPlace } from './config-files.ts';
import { AgentError } from './errors.ts';
import { mergeToml, nodesAlong, parseToml, plainOf } from './toml-tree.ts';
import type { KeyPath, Origin, TomlTable } from './toml-tree.ts';
import { withoutPassword } from './without-password.ts';

/** All files of a configuration as one, each value with the place where it stands. */
export type ConfigText = {
  readonly tree: TomlTable;
  /** The files that were read, by the order in which they count. */
  readonly files: readonly string[];
  /** What lies among the drop-ins and is none. */
  readonly ignored: readonly string[];
  /** Where relative paths of each file start. */
  readonly folders: ReadonlyMap<string, string>;
};

const SHORTEST_MS = 1000;

/** Throws `agent/config` for files that are missing, unreadable or no TOML. */
export async function readConfigText(place: ConfigPlace): Promise<ConfigText> {
  const { files, ignored } = await readConfigFiles(place);
  const [first, ...rest] = files.map(({ path, text }) => parseToml(path, text));
  if (first === undefined) throw new Error('a configuration has at least one file');
  // What is missing altogether is missed in the first file.
  const tree = { ...rest.reduce(mergeToml, first), origin: first.origin };
  return {
    tree,
    ignored,
    files: files.map(({ path }) => path),
    folders: new Map(files.map(({ path, folder }) => [path, folder])),
  };
}

/** The values as a schema wants them. Throws `agent/config` with the file, the line and the key of the first that is wrong. */
export function checked<T>(text: ConfigText, schema: z.ZodType<T>): T {
  const result = schema.safeParse(plainOf(text.tree));
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  if (issue === undefined) throw new Error('what is wrong without an issue');
  if (issue.code === 'unrecognized_keys') {
    const path = [...issue.path, issue.keys[0] ?? ''];
    throw faultAt(text, path, `unknown key ${keyOf(path)}`);
  }
  const { path } = issue;
  const got = valueAt(text, path);
  if (got === undefined) throw faultAt(text, path, `${keyOf(path)} is missing`);
  const wanted = issue.message.replace(/^Invalid input: |, received .*$/g, '');
  const said = `${wanted.slice(0, 1).toLowerCase()}${wanted.slice(1)}`;
  throw faultAt(text, path, `${keyOf(path)}: ${said}, got ${shown(got)}`);
}

/** An error that says where a value stands, or where it would have to. */
export function faultAt(text: ConfigText, path: KeyPath, message: string): AgentError {
  const { file, line } = nodesAlong(text.tree, path).at(-1)?.origin ?? text.tree.origin;
  // Of the whole file no line says more than another.
  const isSomewhere = nodesAlong(text.tree, path).length > 1;
  return new AgentError(
    'agent/config',
    `${file}${isSomewhere ? `, line ${line}` : ''}: ${message}`,
  );
}

/** Where the value of a key stands; null if it is not said. */
export function originAt({ tree }: ConfigText, path: KeyPath): Origin | null {
  const nodes = nodesAlong(tree, path);
  return nodes.length > path.length ? (nodes.at(-1)?.origin ?? null) : null;
}

/** The absolute path that a value means: a relative one starts at the folder of the file in which it stands. */
export function pathAt(text: ConfigText, path: KeyPath, value: string): string {
  const file = originAt(text, path)?.file;
  const folder = file === undefined ? undefined : text.folders.get(file);
  return resolve(folder ?? '/', value);
}

/** Milliseconds of a value like '5 minutes', at least a second. Throws `agent/config`. */
export function durationAt(text: ConfigText, path: KeyPath, value: string): number {
  try {
    return Math.max(SHORTEST_MS, parseDuration(value));
  } catch {
    throw faultAt(text, path, `${keyOf(path)} must be like '5 minutes', got ${shown(value)}`);
  }
}

/** As TOML writes the way to a value; places in lists in brackets. */
export function keyOf(path: KeyPath): string {
  return path
    .map((key) => (typeof key === 'number' ? `[${key}]` : `.${nameOf(String(key))}`))
    .join('')
    .replace(/^\./, '');
}

/** A value for a person's eyes: without the password in a URL. */
export function shown(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'string' ? withoutPassword(inner) : inner,
  );
}

function nameOf(key: string): string {
  return /^[A-Za-z0-9_-]+$/.test(key) ? key : JSON.stringify(key);
}

function valueAt({ tree }: ConfigText, path: KeyPath): unknown {
  const nodes = nodesAlong(tree, path);
  const node = nodes.length > path.length ? nodes.at(-1) : undefined;
  return node === undefined ? undefined : plainOf(node);
}
