/** Which bytes of a GUID on disk stand where in its text: the first three groups are little-endian. */
const TEXT_ORDER = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15] as const;
const DASHES_AFTER: ReadonlySet<number> = new Set([3, 5, 7, 9]);

export const NO_GUID = '00000000-0000-0000-0000-000000000000';

/** The lower-case text of the 16 bytes at `at`. */
export function readGuid(bytes: Uint8Array, at: number): string {
  return TEXT_ORDER.map((from, index) => {
    const hex = (bytes[at + from] ?? 0).toString(16).padStart(2, '0');
    return DASHES_AFTER.has(index) ? `${hex}-` : hex;
  }).join('');
}

/** Writes what `readGuid` reads. Throws a RangeError for what is no GUID. */
export function writeGuid(bytes: Uint8Array, at: number, guid: string): void {
  if (!isGuid(guid)) throw new RangeError(`no GUID: ${guid}`);
  const hex = guid.replaceAll('-', '');
  TEXT_ORDER.forEach((to, index) => {
    bytes[at + to] = Number.parseInt(hex.slice(index * 2, index * 2 + 2), 16);
  });
}

export function isGuid(text: string): boolean {
  return /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text);
}
