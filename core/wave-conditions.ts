import { z } from 'zod';
import { parseDuration } from './duration.ts';
import { isVersion } from './version.ts';
import { attempt, WaveError } from './wave-errors.ts';
import type { Gate, HaltRule, Threshold } from './wave.ts';

export const gateShape = z.union([
  z.string(),
  z.strictObject({
    soak: z.string().optional(),
    success_percentage: z.number().optional(),
    minimum: z.number().optional(),
    approval: z.boolean().optional(),
  }),
]);

export const haltShape = z.strictObject({
  failed_percentage: z.number(),
  minimum: z.number(),
  roll_back_to: z.string().optional(),
});

/** `'approval'`, or a table of `soak`, `success_percentage` with `minimum`, and `approval`. Throws WaveError. */
export function gateOf(value: z.infer<typeof gateShape> | undefined, where: string): Gate | null {
  if (value === undefined) return null;
  if (value === 'approval') return { soakMs: 0, success: null, needsApproval: true };
  const refused = (why: string) =>
    new WaveError('wave/gate', `${where}: gate ${why}, got ${JSON.stringify(value)}`);
  if (typeof value === 'string') {
    throw refused("must be 'approval' or a table such as { soak = '12 hours' }");
  }
  const { soak, success_percentage: percentage, minimum, approval = false } = value;
  const soakMs = soak === undefined ? 0 : attempt(() => parseDuration(soak));
  if (soakMs === null) throw refused("soak must be like '12 hours'");
  if ((percentage === undefined) !== (minimum === undefined)) {
    throw refused('must have both success_percentage and minimum, or neither');
  }
  const success = thresholdOf(percentage, minimum, () =>
    refused('success_percentage must be a whole number from 1 to 100, minimum one from 1'),
  );
  const gate = { soakMs, success, needsApproval: approval };
  if (soakMs === 0 && success === null && !approval) throw refused('must ask for something');
  return gate;
}

/** The `[halt]` table. Throws WaveError. */
export function haltOf(value: z.infer<typeof haltShape> | undefined): HaltRule | null {
  if (value === undefined) return null;
  const { failed_percentage: percentage, minimum, roll_back_to: rollBackTo = null } = value;
  const refused = (why: string) =>
    new WaveError('wave/halt', `[halt]: ${why}, got ${JSON.stringify(value)}`);
  const threshold = thresholdOf(percentage, minimum, () =>
    refused('failed_percentage must be a whole number from 1 to 100, minimum one from 1'),
  );
  if (threshold === null) return null;
  if (rollBackTo !== null && !isVersion(rollBackTo)) {
    throw refused('roll_back_to must be a semantic version');
  }
  return { ...threshold, rollBackTo };
}

/** `outcome_within`: a duration above zero. Throws WaveError. */
export function outcomeWithinOf(value: string | undefined): number | null {
  if (value === undefined) return null;
  const ms = attempt(() => parseDuration(value));
  if (ms !== null && ms > 0) return ms;
  throw new WaveError('wave/halt', `outcome_within must be like '2 hours', got '${value}'`);
}

function thresholdOf(
  percentage: number | undefined,
  minimum: number | undefined,
  refuse: () => WaveError,
): Threshold | null {
  if (percentage === undefined || minimum === undefined) return null;
  const isRight =
    Number.isInteger(percentage) &&
    percentage >= 1 &&
    percentage <= 100 &&
    Number.isSafeInteger(minimum) &&
    minimum >= 1;
  if (!isRight) throw refuse();
  return { percentage, minimum };
}
