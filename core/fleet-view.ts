import { z } from 'zod';
import { rulesSchema } from './fleet/schema.ts';
import { rulesToJson } from './fleet/write-rules.ts';
import { rulesVersion } from './plan.ts';
import type { FleetRecord } from './plan.ts';
import { changeSchema, changeToJson } from './rollout.ts';

/** The rules with their history, as the API answers `GET` and `PUT /api/v1/fleet`. */
export const fleetRecordSchema: z.ZodType<FleetRecord> = z
  .object({ rules: rulesSchema, history: z.array(changeSchema).readonly() })
  .readonly();

/** The value that `fleetRecordSchema` reads; so the manifest keeps it too. */
export function recordToJson({ rules, history }: FleetRecord) {
  return { rules: rulesToJson(rules), history: history.map(changeToJson) };
}

/** The ETag of the rules. */
export function rulesTag(record: FleetRecord): string {
  return `"${encodeURIComponent(rulesVersion(record))}"`;
}

/** What `rulesTag` was made of; null if it did not make it. */
export function versionOfTag(tag: string): string | null {
  const [, text] = /^"([^"]+)"$/.exec(tag) ?? [];
  try {
    return text === undefined ? null : decodeURIComponent(text);
  } catch {
    return null;
  }
}
