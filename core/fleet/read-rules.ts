import type * as z from 'zod';
import { FleetError } from './errors.ts';
import type { FleetRules } from './rules.ts';
import { rulesSchema } from './schema.ts';

/** The rules in a value that was read from a file or the manifest. Throws FleetError that names the first fault. */
export function readRules(value: unknown): FleetRules {
  const result = rulesSchema.safeParse(value);
  if (!result.success) {
    const [issue] = result.error.issues;
    throw issue === undefined ? new FleetError('fleet/format', 'not rules') : faultOf(issue, value);
  }
  refuseContradictions(result.data);
  return result.data;
}

function faultOf(issue: z.core.$ZodIssue, value: unknown): FleetError {
  const where = issue.path.length === 0 ? 'fleet' : pathText(issue.path);
  if (issue.code === 'unrecognized_keys') {
    return new FleetError(
      'fleet/unknown-key',
      `${where}: unknown key ${issue.keys.map((key) => JSON.stringify(key)).join(', ')}`,
    );
  }
  const got = valueAt(value, issue.path);
  const shown = got === undefined ? 'nothing' : JSON.stringify(got).slice(0, 100);
  const isSaid = issue.message.includes(', got ');
  return new FleetError(
    'fleet/value',
    `${where}: ${lowerFirst(issue.message)}${isSaid ? '' : `, got ${shown}`}`,
  );
}

function refuseContradictions({ groups, freezes, pins, excludes }: FleetRules): void {
  const names = groups.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw contradiction(`two groups have the name ${JSON.stringify(twice)}`);
  for (const [index, freeze] of freezes.entries()) {
    const unknown = freeze.groups?.find((name) => !names.includes(name));
    if (unknown !== undefined) {
      throw contradiction(`freezes[${index}]: no group has the name ${JSON.stringify(unknown)}`);
    }
  }
  const both = [...pins.keys()].find((host) => excludes.has(host));
  if (both !== undefined) {
    throw contradiction(`host ${JSON.stringify(both)} is pinned and excluded`);
  }
}

function contradiction(message: string): FleetError {
  return new FleetError('fleet/contradiction', message);
}

function pathText(path: readonly PropertyKey[]): string {
  return path
    .map((part, index) => {
      if (typeof part === 'number') return `[${part}]`;
      return index === 0 ? String(part) : `.${String(part)}`;
    })
    .join('');
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (inner, key) =>
      typeof inner === 'object' && inner !== null && Object.hasOwn(inner, key)
        ? Reflect.get(inner, key)
        : undefined,
    value,
  );
}

function lowerFirst(text: string): string {
  return text.slice(0, 1).toLowerCase() + text.slice(1);
}
