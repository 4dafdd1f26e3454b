import { z } from 'zod';
import { ExpectedError } from './errors.ts';
import { parseJson } from './json.ts';
import { rolloutSchema } from './rollout.ts';
import type { Rollout } from './rollout.ts';

export class ManifestError extends ExpectedError<'manifest/invalid'> {}

/** The rollouts of a manifest; what it says to Bottlerocket hosts is compiled from them and need not be read. */
const manifestSchema = z.object({ rollouts: z.array(rolloutSchema).default([]) });

/** Reads the rollouts of a `manifest.json`. Throws ManifestError that names the first thing that is wrong. */
export function parseManifest(text: string): readonly Rollout[] {
  const result = manifestSchema.safeParse(readJson(text));
  if (!result.success) {
    throw new ManifestError('manifest/invalid', `manifest.json: ${z.prettifyError(result.error)}`);
  }
  return result.data.rollouts;
}

function readJson(text: string): unknown {
  try {
    return parseJson(text);
  } catch (cause) {
    throw new ManifestError('manifest/invalid', 'manifest.json is not JSON', { cause });
  }
}
