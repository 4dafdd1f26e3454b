import { visit } from 'jsonc-parser';
import { BottlerocketError } from './errors.ts';

/** JSON as it was written: members in order, the same key as often as it stands there. */
export type JsonNode =
  | { readonly kind: 'object'; readonly members: readonly (readonly [string, JsonNode])[] }
  | { readonly kind: 'array'; readonly items: readonly JsonNode[] }
  | { readonly kind: 'string'; readonly text: string }
  | { readonly kind: 'number, boolean or null' };

/** serde_json's own limit. */
const MAX_DEPTH = 128;

/**
 * Reads JSON without losing duplicate keys, which serde refuses in some places and ignores in others. Nesting deeper
 * than 128 levels is refused everywhere, also in values that updog would skip. Throws `bottlerocket/manifest`.
 */
export function parseJsonTree(text: string): JsonNode {
  refuseBadSyntax(text);
  const roots: JsonNode[] = [];
  const open: ((node: JsonNode) => void)[] = [(node) => roots.push(node)];
  let key = '';
  const add = (node: JsonNode) => open.at(-1)?.(node);
  const enter = (line: number, collect: (node: JsonNode) => void) => {
    if (open.length > MAX_DEPTH) {
      throw new BottlerocketError(
        'bottlerocket/manifest',
        `line ${line + 1}: nested deeper than ${MAX_DEPTH} levels`,
      );
    }
    open.push(collect);
  };
  visit(
    text,
    {
      onObjectBegin: (_offset, _length, line) => {
        const members: [string, JsonNode][] = [];
        add({ kind: 'object', members });
        enter(line, (node) => members.push([key, node]));
      },
      onArrayBegin: (_offset, _length, line) => {
        const items: JsonNode[] = [];
        add({ kind: 'array', items });
        enter(line, (node) => items.push(node));
      },
      onObjectProperty: (name) => {
        key = name;
      },
      onLiteralValue: (value: unknown) => {
        add(
          typeof value === 'string'
            ? { kind: 'string', text: value }
            : { kind: 'number, boolean or null' },
        );
      },
      onObjectEnd: () => {
        open.pop();
      },
      onArrayEnd: () => {
        open.pop();
      },
    },
    { disallowComments: true },
  );
  const [root] = roots;
  if (root === undefined) throw new BottlerocketError('bottlerocket/manifest', 'no JSON in it');
  return root;
}

/** jsonc-parser carries on after an error; JSON.parse knows what is JSON. */
function refuseBadSyntax(text: string): void {
  try {
    JSON.parse(text);
  } catch (cause) {
    throw new BottlerocketError('bottlerocket/manifest', 'not JSON', { cause });
  }
}
