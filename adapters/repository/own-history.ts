import type { RepositoryMetadata } from '../../core/tuf/repository-metadata.ts';
import { trustIn } from '../../core/tuf/repository-metadata.ts';
import { signersOf, trustedIdOf } from '../../core/tuf/verify.ts';
import type { Signer } from '../signing/signer.ts';
import { RepositoryError } from './errors.ts';
import type { RepositoryState } from './load.ts';

/**
 * Whoever holds the bucket can put another repository in it, whose root gives the attacker the role beside our key, with
 * the attacker's files listed. Adding to that would sign them with our key. So a key signs on top of its own work only.
 */
export function requireOwnHistory(
  before: RepositoryMetadata & Pick<RepositoryState, 'files'>,
  roles: Iterable<string>,
  signers: readonly Signer[],
): void {
  for (const role of roles) {
    const file = before.files.get(role);
    const trust = trustIn(before, role);
    if (file === undefined || trust === null) continue;
    const { targets, delegations, version } = file.signed;
    const isEmpty = Object.keys(targets).length === 0 && delegations === undefined;
    const signedBy = signersOf(file, trust);
    const isOwn = signers.some(({ key }) => signedBy.includes(trustedIdOf(trust, key) ?? ''));
    if (!isEmpty && !isOwn) {
      throw new RepositoryError(
        'repository/untrusted',
        `role ${role}: none of the given keys signed its version ${version}, so they will not vouch for what it lists`,
        { hints: ['sign with a key that signed it before, or name a root file that you trust'] },
      );
    }
  }
}
