import { z } from 'zod';
import type { Document } from './raw.ts';

const text = z.string();
const roleKeys = { keyids: z.array(text), threshold: z.number() };
const keys = z.record(
  text,
  z.looseObject({
    keytype: text,
    scheme: text,
    keyval: z.looseObject({ public: text }),
  }),
);
const target = z.looseObject({
  length: z.number().min(0),
  hashes: z.record(text, text),
  custom: z.record(text, z.unknown()).exactOptional(),
});
const delegations = z
  .looseObject({
    keys,
    roles: z
      .array(z.looseObject({ ...roleKeys, name: text, terminating: z.boolean() }))
      .exactOptional(),
    succinct_roles: z.unknown().exactOptional(),
  })
  .refine((value) => value.roles !== undefined || value.succinct_roles !== undefined, {
    path: ['roles'],
    message: 'must be there',
  });
const meta = { meta: z.record(text, z.looseObject({})) };

/** What every client asks of each kind of metadata, without the values that other checks are about. */
const SIGNED = {
  root: z.looseObject({
    _type: z.literal('root'),
    consistent_snapshot: z.boolean(),
    keys,
    roles: z.looseObject({
      root: z.looseObject(roleKeys),
      targets: z.looseObject(roleKeys),
      snapshot: z.looseObject(roleKeys),
      timestamp: z.looseObject(roleKeys),
    }),
  }),
  targets: z.looseObject({
    _type: z.literal('targets'),
    targets: z.record(text, target),
    delegations: delegations.exactOptional(),
  }),
  snapshot: z.looseObject({ _type: z.literal('snapshot'), ...meta }),
  timestamp: z.looseObject({ _type: z.literal('timestamp'), ...meta }),
};

const signatures = z.array(z.looseObject({ keyid: text, sig: text }));

/** What is missing from a file or of another type than TUF says, as `roles.root.keyids: …`. */
export function faultsOfForm({ file }: Document): readonly string[] {
  const results = [SIGNED[kindOf(file.role)].safeParse(file.signed)].map(issuesOf('signed'));
  const signed =
    file.signatures === null ? [] : issuesOf('signatures')(signatures.safeParse(file.signatures));
  return [...results.flat(), ...signed];
}

function kindOf(role: string): keyof typeof SIGNED {
  return role === 'root' || role === 'snapshot' || role === 'timestamp' ? role : 'targets';
}

function issuesOf(part: string) {
  return ({ error }: z.ZodSafeParseResult<unknown>): readonly string[] =>
    error?.issues.map(({ path, message }) => `${[part, ...path].join('.')}: ${message}`) ?? [];
}
