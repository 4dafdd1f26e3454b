import { z } from 'zod';
import { rulesSchema } from './fleet/schema.ts';
import { rulesToJson } from './fleet/write-rules.ts';
import type { FleetVerb, PlanVerb } from './plan.ts';
import { counterSchema, instantSchema, policySchema, releaseRefSchema } from './rollout.ts';
import { SIMPLE_VERBS } from './verb.ts';
import type { Verb } from './verb.ts';

const ofAny = {
  id: z.string(),
  at: instantSchema,
  by: z.string(),
  reason: z.string().nullable(),
};
const origin = { ...ofAny, rolloutId: z.string() };

const fleetVerbSchema: z.ZodType<FleetVerb> = z.object({
  ...ofAny,
  kind: z.literal('apply-fleet'),
  rules: rulesSchema,
  replaces: z.string().optional(),
});

const verbSchema: z.ZodType<Verb> = z.union([
  z.object({
    ...origin,
    kind: z.literal('start'),
    release: releaseRefSchema,
    policy: policySchema,
    startAt: instantSchema,
    seeds: z.enum(['stable', 'shuffled']),
  }),
  z.object({ ...origin, kind: z.enum(SIMPLE_VERBS) }),
  z.object({
    ...origin,
    kind: z.literal('roll-back'),
    to: releaseRefSchema,
    policy: policySchema,
  }),
  z.object({ ...origin, kind: z.literal('halt'), evidence: counterSchema }),
  z.object({
    ...origin,
    kind: z.literal('pass-gate'),
    opening: z.int().min(0),
    evidence: counterSchema,
  }),
]);

/** A verb as the outbox keeps it. */
export function formatVerb(verb: PlanVerb): string {
  return JSON.stringify(
    verb.kind === 'apply-fleet' ? { ...verb, rules: rulesToJson(verb.rules) } : verb,
  );
}

/** Reads what `formatVerb` wrote; anything else is damage and throws as such. */
export function parseVerb(text: string): PlanVerb {
  return z.union([verbSchema, fleetVerbSchema]).parse(JSON.parse(text));
}
