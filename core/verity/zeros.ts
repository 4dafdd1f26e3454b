/** Where the first byte lies that is not zero, or -1. */
export function findNonZero(bytes: Uint8Array): number {
  for (let at = 0; at < bytes.length; at += 1) {
    if (bytes[at] !== 0) return at;
  }
  return -1;
}
