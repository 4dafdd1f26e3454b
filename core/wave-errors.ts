import type { z } from 'zod';
import { ExpectedError } from './errors.ts';

export type WaveErrorCode =
  /** Not TOML, or a value of the wrong type. */
  | 'wave/format'
  | 'wave/unknown-key'
  /** A file without a single wave. */
  | 'wave/none'
  /** `start_after` is neither a duration nor a time, or a time before the start. */
  | 'wave/start-after'
  /** Not a whole number from 1 to 100. */
  | 'wave/percentage'
  /** Not more than the percentage of the wave before. */
  | 'wave/percentage-order'
  /** Not later than the wave before. */
  | 'wave/unordered'
  /** A `gate` or `ramp` that makes no sense where it stands. */
  | 'wave/gate'
  | 'wave/ramp'
  /** `[halt]` or `outcome_within` with a value that makes no sense. */
  | 'wave/halt';

/** A wave policy that cannot be meant. */
export class WaveError extends ExpectedError<WaveErrorCode> {}

/** The value as the schema reads it; else a WaveError that says where it stands. */
export function checked<T>(schema: z.ZodType<T>, value: unknown, where: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  if (issue?.code === 'unrecognized_keys') {
    throw new WaveError('wave/unknown-key', `${where}: unknown key ${issue.keys.join(', ')}`);
  }
  const key = issue?.path.join('.') ?? '';
  throw new WaveError(
    'wave/format',
    `${where}: ${key === '' ? '' : `${key}: `}${issue?.message ?? ''}`,
  );
}

/** Null where reading throws. */
export function attempt<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}
