import { openPublicKey } from '../../adapters/signing/open.ts';
import type { Io } from '../../adapters/terminal/io.ts';
import { keyId } from '../../core/tuf/keys.ts';
import type { Key } from '../../core/tuf/keys.ts';
import { trustIn } from '../../core/tuf/repository-metadata.ts';
import type { KeyChange, TrustFiles } from '../../core/tuf/role-keys.ts';
import { UsageError } from '../usage.ts';

/** The public keys that these strings name. */
export async function openPublicKeys(io: Io, sources: readonly string[]): Promise<readonly Key[]> {
  const keys = [];
  for (const source of sources) keys.push(await openPublicKey(source, io));
  return keys;
}

/** Gives each role these keys in place of all that it has; a null threshold stays. */
export function rotation(
  files: TrustFiles,
  roles: readonly string[],
  { keys, threshold }: { readonly keys: readonly Key[]; readonly threshold: number | null },
): readonly KeyChange[] {
  const wanted = keys.map(keyId);
  return roles.map((role) => {
    const trust = trustIn(files, role);
    if (trust === null) throw new UsageError('usage/option', `there is no role '${role}'`);
    return {
      role,
      add: keys.filter((key) => !trust.keyids.includes(keyId(key))),
      remove: trust.keyids.filter((id) => !wanted.includes(id)),
      threshold,
    };
  });
}
