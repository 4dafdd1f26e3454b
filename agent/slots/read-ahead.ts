/** As much as is read at a time. */
const WINDOW_BYTES = 1024 * 1024;
/** Hash trees are read at one place in each of their levels; deeper ones than this need no 1 MiB. */
const WINDOWS = 4;

/**
 * Reads small parts of an image of `size` bytes where every reading is costly: a part that was read with an earlier one is not
 * read again. Fewer bytes come only at the image's end.
 */
export function readAhead(
  size: number,
  read: (offset: number, length: number) => AsyncIterable<Uint8Array>,
): (offset: number, length: number) => Promise<Uint8Array> {
  let windows: readonly { readonly offset: number; readonly bytes: Uint8Array }[] = [];
  return async (offset, wanted) => {
    const length = Math.max(0, Math.min(wanted, size - offset));
    if (length === 0) return new Uint8Array(0);
    const known = windows.find(
      ({ offset: from, bytes }) => from <= offset && offset + length <= from + bytes.length,
    );
    if (known !== undefined) {
      const at = offset - known.offset;
      return known.bytes.subarray(at, at + length);
    }
    const bytes = await collected(
      read(offset, Math.min(Math.max(length, WINDOW_BYTES), size - offset)),
    );
    windows = [{ offset, bytes }, ...windows].slice(0, WINDOWS);
    return bytes.subarray(0, length);
  };
}

async function collected(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  // A copy of each: whoever reads may use its memory again.
  return Buffer.concat(await Array.fromAsync(source, (chunk) => Buffer.from(chunk)));
}
