import { printParseErrorCode, visit } from 'jsonc-parser';
import { ExpectedError } from './errors.ts';

export class JsonError extends ExpectedError<
  'json/syntax' | 'json/duplicate-key' | 'json/too-deep'
> {}

/** No document of ours nests deeper than a dozen levels; a hostile one must not reach the end of the stack. */
const MAX_DEPTH = 64;

/**
 * `JSON.parse` that also refuses an object with the same key twice, of which JSON.parse silently keeps the last, and
 * nesting deeper than 64 levels. JsonError names line and column.
 */
export function parseJson(text: string): unknown {
  const firstFault = inspect(text);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new JsonError('json/syntax', `not JSON: ${firstFault ?? messageOf(cause)}`, { cause });
  }
}

/** Refuses what JSON.parse would take; what is wrong with the syntax is only noted, JSON.parse decides about it. */
function inspect(text: string): string | null {
  const keys: Set<string>[] = [];
  let depth = 0;
  let firstFault: string | null = null;
  const enter = (line: number, column: number) => {
    depth += 1;
    if (depth > MAX_DEPTH) {
      throw new JsonError(
        'json/too-deep',
        `${place(line, column)}: nested deeper than ${MAX_DEPTH} levels`,
      );
    }
  };
  visit(
    text,
    {
      onObjectBegin: (_offset, _length, line, column) => {
        enter(line, column);
        keys.push(new Set());
      },
      onObjectEnd: () => {
        depth -= 1;
        keys.pop();
      },
      onArrayBegin: (_offset, _length, line, column) => {
        enter(line, column);
      },
      onArrayEnd: () => {
        depth -= 1;
      },
      onObjectProperty: (key, _offset, _length, line, column) => {
        const seen = keys.at(-1);
        if (seen?.has(key) === true) {
          throw new JsonError(
            'json/duplicate-key',
            `${place(line, column)}: key ${JSON.stringify(key)} stands twice in one object`,
          );
        }
        seen?.add(key);
      },
      onError: (code, _offset, _length, line, column) => {
        firstFault ??= `${place(line, column)}: ${wordsOf(printParseErrorCode(code))}`;
      },
    },
    { disallowComments: true },
  );
  return firstFault;
}

function place(line: number, column: number): string {
  return `line ${line + 1}, column ${column + 1}`;
}

/** `CommaExpected` as `comma expected`. */
function wordsOf(code: string): string {
  return code.replaceAll(/(?!^)([A-Z])/g, ' $1').toLowerCase();
}

function messageOf(cause: unknown): string {
  const hasMessage = typeof cause === 'object' && cause !== null && 'message' in cause;
  return hasMessage ? String(cause.message) : String(cause);
}
