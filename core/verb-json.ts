import { z } from 'zod';
import { instantSchema, policySchema, releaseRefSchema } from './rollout.ts';
import type { Verb } from './verb.ts';

const origin = {
  id: z.string(),
  at: instantSchema,
  by: z.string(),
  reason: z.string().nullable(),
  rolloutId: z.string(),
};

const verbSchema: z.ZodType<Verb> = z.union([
  z.object({
    ...origin,
    kind: z.literal('start'),
    release: releaseRefSchema,
    policy: policySchema,
    startAt: instantSchema,
    seeds: z.enum(['stable', 'shuffled']),
  }),
  z.object({ ...origin, kind: z.enum(['pause', 'resume', 'advance', 'withdraw']) }),
  z.object({ ...origin, kind: z.literal('roll-back'), to: releaseRefSchema }),
]);

/** A verb as the outbox keeps it. */
export function formatVerb(verb: Verb): string {
  return JSON.stringify(verb);
}

/** Reads what `formatVerb` wrote; anything else is damage and throws as such. */
export function parseVerb(text: string): Verb {
  return verbSchema.parse(JSON.parse(text));
}
