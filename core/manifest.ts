import { z } from 'zod';
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

/** Reads the plan of a `manifest.json`. Throws ManifestError that names the first thing that is wrong. */
export function parseManifest(text: string): Plan {
  const result = manifestSchema.safeParse(readJson(text));
  if (!result.success) {
    throw new ManifestError('manifest/invalid', `manifest.json: ${z.prettifyError(result.error)}`);
  }
  const { rollouts, fleet } = result.data;
  try {
    return { rollouts, fleet: { rules: readRules(fleet.rules), history: fleet.history } };
  } catch (cause) {
    if (!(cause instanceof FleetError)) throw cause;
    throw new ManifestError('manifest/invalid', `manifest.json: fleet: ${cause.message}`, {
      cause,
    });
  }
}

function readJson(text: string): unknown {
  try {
    return parseJson(text);
  } catch (cause) {
    throw new ManifestError('manifest/invalid', 'manifest.json is not JSON', { cause });
  }
}
