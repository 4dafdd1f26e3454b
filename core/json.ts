import { visit } from 'jsonc-parser';
import { ExpectedError } from './errors.ts';

export class JsonError extends ExpectedError<
  'json/syntax' | 'json/duplicate-key' | 'json/too-deep'
> {}

/** No document of ours nests deeper than a dozen levels; a hostile one must not reach the end of the stack. */
const MAX_DEPTH = 64;

/**
 * `JSON.parse` that also refuses an object with the same key twice, of which JSON.parse silently keeps the last, and
 * nesting deeper than 64 levels.
 */
export function parseJson(text: string): unknown {
  refuseDuplicateKeys(text);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new JsonError('json/syntax', `not JSON: ${messageOf(cause)}`, { cause });
  }
}

function refuseDuplicateKeys(text: string): void {
  const keys: Set<string>[] = [];
  let depth = 0;
  const enter = (line: number) => {
    depth += 1;
    if (depth > MAX_DEPTH) {
      throw new JsonError(
        'json/too-deep',
        `line ${line + 1}: nested deeper than ${MAX_DEPTH} levels`,
      );
    }
  };
  visit(
    text,
    {
      onObjectBegin: (_offset, _length, line) => {
        enter(line);
        keys.push(new Set());
      },
      onObjectEnd: () => {
        depth -= 1;
        keys.pop();
      },
      onArrayBegin: (_offset, _length, line) => {
        enter(line);
      },
      onArrayEnd: () => {
        depth -= 1;
      },
      onObjectProperty: (key, _offset, _length, line, column) => {
        const seen = keys.at(-1);
        if (seen?.has(key) === true) {
          throw new JsonError(
            'json/duplicate-key',
            `line ${line + 1}, column ${column + 1}: key ${JSON.stringify(key)} stands twice in one object`,
          );
        }
        seen?.add(key);
      },
    },
    { disallowComments: true },
  );
}

function messageOf(cause: unknown): string {
  const hasMessage = typeof cause === 'object' && cause !== null && 'message' in cause;
  return hasMessage ? String(cause.message) : String(cause);
}
