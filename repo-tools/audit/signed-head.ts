import { openRepository } from '../../adapters/repository/repository.ts';
import { readManifest } from '../../adapters/repository/rollouts.ts';
import type { Storage } from '../../adapters/storage/storage.ts';
import type { ChainHead } from '../../core/audit.ts';
import { roleExpiries } from '../../core/tuf/repository-metadata.ts';
import { AuditError } from './errors.ts';

/**
 * The head of the audit log that the signed manifest of a repository names; null if it names none. Metadata that has
 * expired is refused: it may be an old state, which is no witness of what came later.
 */
export async function readSignedHead(
  storage: Storage,
  {
    now,
    trustedRoot,
    allowExpired,
  }: {
    readonly now: Date;
    readonly trustedRoot: Uint8Array | undefined;
    readonly allowExpired: boolean;
  },
): Promise<ChainHead | null> {
  const repository = openRepository({ storage, now: () => now, trustedRoot });
  const state = await repository.load();
  const expired = roleExpiries(state, now).find(({ isExpired }) => isExpired);
  if (expired !== undefined && !allowExpired) {
    throw new AuditError('audit/witness', `${storage.url}: role ${expired.role} has expired`, {
      hints: ['--unsafe-allow-expired takes it nevertheless: it may be an old state'],
    });
  }
  return (await readManifest(repository, state)).auditHead;
}
