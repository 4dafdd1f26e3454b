import { parse, TomlDate, TomlError } from 'smol-toml';
import { parseDocument } from 'yaml';
import { FleetError } from './errors.ts';
import { readRules } from './read-rules.ts';
import type { FleetRules } from './rules.ts';

export type FleetFileFormat = 'toml' | 'yaml';

/** The format that a file's name tells, or null. */
export function formatOf(fileName: string): FleetFileFormat | null {
  if (/\.toml$/i.test(fileName)) return 'toml';
  return /\.ya?ml$/i.test(fileName) ? 'yaml' : null;
}

/** Reads the rules of a fleet file. Throws FleetError that names the first fault. */
export function parseFleetFile(text: string, format: FleetFileFormat): FleetRules {
  return readRules(format === 'toml' ? readToml(text) : readYaml(text));
}

function readToml(text: string): unknown {
  try {
    return withoutDates(parse(text));
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    throw notReadable('TOML', error);
  }
}

/** TOML has times of its own; the rules read them as text. */
function withoutDates(value: unknown): unknown {
  if (value instanceof TomlDate) return value.toISOString();
  if (Array.isArray(value)) return value.map(withoutDates);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, withoutDates(inner)]),
  );
}

function readYaml(text: string): unknown {
  const document = parseDocument(text, { schema: 'core', uniqueKeys: true });
  const [error] = document.errors;
  if (error !== undefined) throw notReadable('YAML', error);
  try {
    // An empty file holds no rules, as in TOML.
    return document.toJS({ maxAliasCount: 100 }) ?? {};
  } catch (cause) {
    // Aliases that would unfold without end.
    throw notReadable('YAML', cause);
  }
}

function notReadable(format: string, cause: unknown): FleetError {
  const [why = ''] = String(Object(cause).message ?? cause).split('\n');
  return new FleetError('fleet/format', `fleet file is not ${format}: ${why}`, { cause });
}
