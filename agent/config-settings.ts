import { keyOf, originAt } from './config-text.ts';
import type { ConfigText } from './config-text.ts';
import type { KeyPath } from './toml-tree.ts';

/** One value of the configuration, and who said it. */
export type Setting = {
  readonly key: string;
  readonly value: unknown;
  readonly origin:
    | { readonly kind: 'file'; readonly file: string; readonly line: number }
    | { readonly kind: 'default' }
    /** Worked out of another value. */
    | { readonly kind: 'derived'; readonly from: string };
};

/** A value that is worked out of another where nobody says it. */
export type Derived = { readonly path: KeyPath; readonly value: unknown; readonly from: string };

/** Every value in force, in the order of the schema. `values` is what the schema made of the text, defaults filled in. */
export function settingsOf(
  text: ConfigText,
  values: unknown,
  derived: readonly Derived[],
): readonly Setting[] {
  const said = leaves([], values).map(({ path, value }): Setting => {
    const origin = originAt(text, path);
    return {
      key: keyOf(path),
      value,
      origin: origin === null ? { kind: 'default' } : { kind: 'file', ...origin },
    };
  });
  const workedOut = derived
    .filter(({ path }) => originAt(text, path) === null)
    .map(({ path, value, from }): Setting => ({
      ...{ key: keyOf(path), value, origin: { kind: 'derived', from } },
    }));
  return [...said, ...workedOut];
}

type Leaf = { readonly path: KeyPath; readonly value: unknown };

/** Lists of tables are gone into; any other list is one value. */
function leaves(path: KeyPath, value: unknown): readonly Leaf[] {
  if (Array.isArray(value)) {
    return value.length > 0 && value.every(isTable)
      ? value.flatMap((one, index) => leaves([...path, index], one))
      : [{ path, value }];
  }
  if (!isTable(value)) return [{ path, value }];
  return Object.entries(value).flatMap(([key, inner]) =>
    inner === undefined ? [] : leaves([...path, key], inner),
  );
}

function isTable(value: unknown): value is object {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.prototype.toString.call(value) === '[object Object]'
  );
}
