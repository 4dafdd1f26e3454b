import { z } from 'zod';

const MANIFEST_KEYS = ['updates', 'migrations'];
const UPDATE_KEYS = ['variant', 'arch', 'version', 'max_version', 'waves', 'images'];
const IMAGE_KEYS = ['boot', 'root', 'hash'];

const objectSchema = z.record(z.string(), z.unknown());
const listSchema = z.array(z.unknown());

/** Keys of a Bottlerocket manifest that its own tools ignore, as paths without indices, each once. */
export function unknownFields(text: string): readonly string[] {
  const manifest = membersOf(JSON.parse(text));
  const updates = listSchema.safeParse(manifest['updates']).data ?? [];
  const found = [
    ...strangers(manifest, MANIFEST_KEYS, ''),
    ...updates.flatMap((update) => {
      const members = membersOf(update);
      return [
        ...strangers(members, UPDATE_KEYS, 'updates.'),
        ...strangers(membersOf(members['images']), IMAGE_KEYS, 'updates.images.'),
      ];
    }),
  ];
  return [...new Set(found)];
}

function membersOf(value: unknown): Readonly<Record<string, unknown>> {
  return objectSchema.safeParse(value).data ?? {};
}

function strangers(
  members: Readonly<Record<string, unknown>>,
  known: readonly string[],
  prefix: string,
): readonly string[] {
  return Object.keys(members)
    .filter((key) => !known.includes(key))
    .map((key) => prefix + key);
}
