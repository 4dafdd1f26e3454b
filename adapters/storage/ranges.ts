import { StorageError } from './storage.ts';
import type { ByteRange } from './storage.ts';

/** Throws `storage/range` unless the range has whole, rising offsets. */
export function checkRange(name: string, range: ByteRange | undefined): void {
  if (range === undefined) return;
  const { start, end = start } = range;
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || end < start) {
    throw new StorageError(
      'storage/range',
      `${name}: a range needs 0 <= start <= end, got ${start}-${end}`,
    );
  }
}

/** The half-open span of an object of `size` bytes that a range asks for; throws `storage/range` beyond the end. */
export function spanOf(
  name: string,
  size: number,
  range: ByteRange | undefined,
): { readonly from: number; readonly to: number } {
  if (range === undefined) return { from: 0, to: size };
  if (range.start >= size) throw beyondTheEnd(name, range);
  return { from: range.start, to: Math.min(size, (range.end ?? size) + 1) };
}

export function beyondTheEnd(name: string, range: ByteRange, cause?: unknown): StorageError {
  return new StorageError('storage/range', `${name} ends before byte ${range.start}`, { cause });
}
