/** Rust's `str::parse::<u32>`: digits with an optional `+`, leading zeros allowed, below 2^32; else null. */
export function parseU32(text: string): number | null {
  if (!/^\+?[0-9]+$/.test(text)) return null;
  const value = Number(text);
  return value <= 0xffff_ffff ? value : null;
}
