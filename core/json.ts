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
  const plain = parsePlain(text);
  if (plain !== null) return plain.value;
  const firstFault = inspect(text);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new JsonError('json/syntax', `not JSON: ${firstFault ?? messageOf(cause)}`, { cause });
  }
}

/**
 * What nearly every text is, in a fraction of the time: JSON, not too deep, with as many members as have arrived in the
 * value, so that no key stands twice. Null is not a refusal: the text must be looked at more closely.
 */
function parsePlain(text: string): { readonly value: unknown } | null {
  const shape = shapeOf(text);
  if (shape.depth > MAX_DEPTH) return null;
  try {
    const value: unknown = JSON.parse(text);
    return membersIn(value) === shape.members ? { value } : null;
  } catch {
    return null;
  }
}

const QUOTE = 0x22;
const COLON = 0x3a;
const OPEN_ARRAY = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** How deep the text nests, and how many members its objects have; for text that is not JSON they mean nothing. */
function shapeOf(text: string): { readonly depth: number; readonly members: number } {
  let [depth, deepest, members] = [0, 0, 0];
  let isInString = false;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (isInString) {
      if (code === BACKSLASH) at += 1;
      else if (code === QUOTE) isInString = false;
    } else if (code === QUOTE) isInString = true;
    else if (code === COLON) members += 1;
    else if (code === OPEN_ARRAY || code === OPEN_OBJECT) {
      depth += 1;
      if (depth > deepest) deepest = depth;
    } else if (code === CLOSE_ARRAY || code === CLOSE_OBJECT) depth -= 1;
  }
  return { depth: deepest, members };
}

function membersIn(value: unknown): number {
  let members = 0;
  if (Array.isArray(value)) {
    for (const one of value) members += membersIn(one);
  } else if (isObject(value)) {
    for (const key in value) members += 1 + membersIn(value[key]);
  }
  return members;
}

/** Whether a value that was JSON was an object there. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
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
