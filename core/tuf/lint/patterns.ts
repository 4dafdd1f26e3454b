import { isPathPattern, matchesPath } from '../names.ts';

/**
 * Whether some target name can match both patterns. Exact for `*` and `?`; brackets count as one character and braces as any
 * text, so that for those of other repositories the answer may be a false yes, never a false no.
 */
export function patternsOverlap(a: string, b: string): boolean {
  if (!isPathPattern(a) || !isPathPattern(b)) return tokensOverlap(tokensOf(a), tokensOf(b));
  const [long, short] = a.length >= b.length ? [a, b] : [b, a];
  // Two prefixes meet if one begins with the other.
  return short.endsWith('*') ? long.startsWith(short.slice(0, -1)) : matchesPath(long, short);
}

function tokensOf(pattern: string): readonly string[] {
  const simple = pattern.replaceAll(/\[[^\]]*\]/g, '?').replaceAll(/\{[^}]*\}|@\([^)]*\)/g, '*');
  return simple.split('');
}

/** By the table of which beginning of the one can meet which beginning of the other, row by row. */
function tokensOverlap(a: readonly string[], b: readonly string[]): boolean {
  const meet = (left: string, right: string) => left === right || left === '?' || right === '?';
  let row = [true];
  for (const right of b) row.push(right === '*' && row.at(-1) === true);
  for (const left of a) {
    const next = [left === '*' && row[0] === true];
    for (const [index, right] of b.entries()) {
      // A star stands for nothing (the row above), or takes one more token of the other side.
      const isMet =
        left === '*' || right === '*'
          ? row[index + 1] === true || next[index] === true
          : row[index] === true && meet(left, right);
      next.push(isMet);
    }
    row = next;
  }
  return row.at(-1) === true;
}
