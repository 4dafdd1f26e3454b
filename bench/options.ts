/** A bench was called wrongly. */
export class BenchUsageError extends Error {}

/** A whole number of 1 or more. */
export function positive(option: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new BenchUsageError(`${option} must be a whole number above 0, got '${text}'`);
}
