import { z } from 'zod';
import { SourceError } from './source-files.ts';

const keysSchema = z.record(z.string(), z.object({ keyval: z.object({ public: z.string() }) }));
const roleSchema = z.object({ keyids: z.array(z.string()) });
const metadataSchema = z.object({
  signed: z.object({
    keys: keysSchema.optional(),
    roles: z.record(z.string(), roleSchema).optional(),
    delegations: z
      .object({ keys: keysSchema, roles: z.array(roleSchema.extend({ name: z.string() })) })
      .optional(),
  }),
});

/** One key under two ids would count twice for a threshold in tuf-js. Throws `import/untrusted`. */
export function refuseRepeatedKeys(file: string, bytes: Uint8Array): void {
  const text = new TextDecoder().decode(bytes);
  const { keys = {}, roles = {}, delegations } = metadataSchema.parse(JSON.parse(text)).signed;
  const named = Object.entries(roles).map(([name, role]) => ({ ...role, name }));
  refuseIn(file, keys, named);
  if (delegations !== undefined) refuseIn(file, delegations.keys, delegations.roles);
}

function refuseIn(
  file: string,
  keys: z.infer<typeof keysSchema>,
  roles: readonly { readonly name: string; readonly keyids: readonly string[] }[],
): void {
  for (const { name, keyids } of roles) {
    const material = [...new Set(keyids)].flatMap(
      (id) => keys[id]?.keyval.public.replaceAll(/\s/g, '').toLowerCase() ?? [],
    );
    if (new Set(material).size < material.length) {
      throw new SourceError(
        'import/untrusted',
        `${file}: role ${name} holds one key under two ids`,
      );
    }
  }
}
