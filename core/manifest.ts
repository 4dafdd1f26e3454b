import { z } from 'zod';
import { chainHeadSchema } from './audit.ts';
import type { ChainHead } from './audit.ts';
import { ExpectedError } from './errors.ts';
import { parseJson } from './json.ts';
import { rolloutSchema } from './rollout.ts';
import type { Rollout } from './rollout.ts';

export class ManifestError extends ExpectedError<'manifest/invalid'> {}

/** The rollouts of a manifest; what it says to Bottlerocket hosts is compiled from them and need not be read. */
const manifestSchema = z.object({ rollouts: z.array(rolloutSchema).default([]) });

/** The head of the server's audit log as it was when the manifest was signed; only who works on the log reads it. */
const witnessSchema = z.object({ audit: chainHeadSchema.nullable().default(null) });

/** Reads the rollouts of a `manifest.json`. Throws ManifestError that names the first thing that is wrong. */
export function parseManifest(text: string): readonly Rollout[] {
  return parseAs(manifestSchema, text).rollouts;
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
