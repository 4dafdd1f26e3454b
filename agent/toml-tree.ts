import { parse, TomlError } from 'smol-toml';
import { ParseError, parseTOML } from 'toml-eslint-parser';
import type { AST } from 'toml-eslint-parser';
import { AgentError } from './errors.ts';

/** Where something stands; lines begin at 1. */
export type Origin = { readonly file: string; readonly line: number };

export type TomlTable = {
  readonly kind: 'table';
  readonly origin: Origin;
  readonly entries: ReadonlyMap<string, TomlNode>;
};

/** A value of TOML that knows where it stands. */
export type TomlNode =
  | TomlTable
  | { readonly kind: 'list'; readonly origin: Origin; readonly items: readonly TomlNode[] }
  | { readonly kind: 'scalar'; readonly origin: Origin; readonly value: unknown };

/** Names of keys and places in lists, from the outside in. */
export type KeyPath = readonly PropertyKey[];

/** Throws `agent/config` that names the file and the line of what is no TOML. */
export function parseToml(file: string, text: string): TomlTable {
  const [program] = programOf(file, text).body;
  const start: TomlTable = { kind: 'table', origin: { file, line: 1 }, entries: new Map() };
  return program.body.reduce((tree, statement) => added(tree, statement, file), start);
}

/** Tables are merged key by key; of anything else, lists included, the one above replaces the one below. */
export function mergeToml(below: TomlTable, above: TomlTable): TomlTable {
  const entries = new Map(below.entries);
  for (const [key, node] of above.entries) entries.set(key, mergedNode(entries.get(key), node));
  return { ...above, entries };
}

/** What a program reads: objects, arrays and plain values. */
export function plainOf(node: TomlNode): unknown {
  switch (node.kind) {
    case 'table':
      return Object.fromEntries([...node.entries].map(([key, value]) => [key, plainOf(value)]));
    case 'list':
      return node.items.map(plainOf);
    case 'scalar':
      return node.value;
  }
}

/** The nodes along a path, the outermost first, as far as it goes. */
export function nodesAlong(tree: TomlNode, path: KeyPath): readonly TomlNode[] {
  const [key, ...rest] = path;
  const next = key === undefined ? undefined : childOf(tree, key);
  return [tree, ...(next === undefined ? [] : nodesAlong(next, rest))];
}

function childOf(node: TomlNode, key: PropertyKey): TomlNode | undefined {
  if (node.kind === 'table') return node.entries.get(String(key));
  return node.kind === 'list' ? node.items[Number(key)] : undefined;
}

function programOf(file: string, text: string): AST.TOMLProgram {
  try {
    return parseTOML(text, { tomlVersion: '1.0.0' });
  } catch (cause) {
    if (!(cause instanceof ParseError)) throw cause;
    const { message } = cause;
    const reason = message.slice(0, 1).toLowerCase() + message.slice(1);
    const line = brokenLine(text) ?? cause.lineNumber;
    throw new AgentError('agent/config', `${file}, line ${line}: ${reason}`, { cause });
  }
}

/** The parser with positions blames the line after the one that ends too early; this one does not. */
function brokenLine(text: string): number | null {
  try {
    parse(text);
    return null;
  } catch (error) {
    if (error instanceof TomlError) return error.line;
    throw error;
  }
}

function added(
  tree: TomlTable,
  statement: AST.TOMLTable | AST.TOMLKeyValue,
  file: string,
): TomlTable {
  if (statement.type === 'TOMLKeyValue') return withPair(tree, [], statement, file);
  const origin = originOf(file, statement);
  const path = statement.resolvedKey;
  const withTable = put(tree, path, { kind: 'table', origin, entries: new Map() });
  return statement.body.reduce((soFar, pair) => withPair(soFar, path, pair, file), withTable);
}

function withPair(
  tree: TomlTable,
  path: readonly (string | number)[],
  { key, value }: AST.TOMLKeyValue,
  file: string,
): TomlTable {
  const names = key.keys.map((part) => (part.type === 'TOMLBare' ? part.name : part.value));
  return put(tree, [...path, ...names], nodeOf(value, file));
}

function nodeOf(content: AST.TOMLContentNode, file: string): TomlNode {
  const origin = originOf(file, content);
  switch (content.type) {
    case 'TOMLArray':
      return { kind: 'list', origin, items: content.elements.map((one) => nodeOf(one, file)) };
    case 'TOMLInlineTable': {
      const empty: TomlTable = { kind: 'table', origin, entries: new Map() };
      return content.body.reduce((table, pair) => withPair(table, [], pair, file), empty);
    }
    case 'TOMLValue':
      return { kind: 'scalar', origin, value: content.value };
  }
}

function originOf(file: string, { loc }: AST.TOMLNode): Origin {
  return { file, line: loc.start.line };
}

/** The table with a node at a path of it; tables and lists on the way are made. The parser has seen to it that it fits. */
function put(table: TomlTable, path: readonly (string | number)[], node: TomlNode): TomlTable {
  const placed = placedAt(table, path, node);
  return placed.kind === 'table' ? placed : table;
}

function placedAt(
  base: TomlNode | undefined,
  path: readonly (string | number)[],
  node: TomlNode,
): TomlNode {
  const [key, ...rest] = path;
  if (key === undefined) return mergedNode(base, node);
  const origin = base?.origin ?? node.origin;
  if (typeof key === 'number') {
    const items = base?.kind === 'list' ? base.items : [];
    return {
      kind: 'list',
      origin,
      items: items.toSpliced(key, 1, placedAt(items[key], rest, node)),
    };
  }
  const entries = new Map(base?.kind === 'table' ? base.entries : []);
  entries.set(key, placedAt(entries.get(key), rest, node));
  return { kind: 'table', origin, entries };
}

function mergedNode(below: TomlNode | undefined, above: TomlNode): TomlNode {
  return below?.kind === 'table' && above.kind === 'table' ? mergeToml(below, above) : above;
}
