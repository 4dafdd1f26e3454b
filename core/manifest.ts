import * as z from 'zod';
import { chainHeadSchema } from './audit.ts';
import type { ChainHead } from './audit.ts';
import { ExpectedError } from './errors.ts';
import { FleetError } from './fleet/errors.ts';
import { readRules } from './fleet/read-rules.ts';
import { parseJson } from './json.ts';
import type { Plan } from './plan.ts';
import { changeSchema, rolloutSchema } from './rollout.ts';

export class ManifestError extends ExpectedError<'manifest/invalid'> {}

/** The plan of a manifest; what it says to Bottlerocket hosts is compiled from it and need not be read. */
const manifestSchema = z.object({
  rollouts: z.array(rolloutSchema).default([]),
  // Strict in everything: a reader that overlooked a rule would let hosts through that the rule holds.
  fleet: z
    .strictObject({ rules: z.unknown(), history: z.array(changeSchema) })
    .default({ rules: {}, history: [] }),
});

/** The head of the server's audit log as it was when the manifest was signed; only who works on the log reads it. */
const witnessSchema = z.object({ audit: chainHeadSchema.nullable().default(null) });

/** Reads the plan of a `manifest.json`. Throws ManifestError that names the first thing that is wrong. */
export function parseManifest(text: string): Plan {
  const { rollouts, fleet } = parseAs(manifestSchema, text);
  try {
    return { rollouts, fleet: { rules: readRules(fleet.rules), history: fleet.history } };
  } catch (cause) {
    if (!(cause instanceof FleetError)) throw cause;
    throw new ManifestError('manifest/invalid', `manifest.json: fleet: ${cause.message}`, {
      cause,
    });
  }
}

/** The head of the audit log that a `manifest.json` names, or null if no server ever committed it. */
export function parseAuditHead(text: string): ChainHead | null {
  return parseAs(witnessSchema, text).audit;
}

function parseAs<T>(schema: z.ZodType<T>, text: string): T {
  const result = schema.safeParse(readJson(text));
  if (result.success) return result.data;
  throw new ManifestError('manifest/invalid', `manifest.json: ${z.prettifyError(result.error)}`);
}

function readJson(text: string): unknown {
  try {
    return parseJson(text);
  } catch (cause) {
    throw new ManifestError('manifest/invalid', 'manifest.json is not JSON', { cause });
  }
}
