/** PostgreSQL has no place for NUL in a text: it becomes U+FFFD on every engine, so that one host's words stop nobody. */
export function storableText<T>(value: T | string): T | string {
  return typeof value === 'string' ? value.replaceAll('\0', '\uFFFD') : value;
}
