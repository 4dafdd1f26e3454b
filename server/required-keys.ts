import type { RepositoryState } from '../adapters/repository/repository.ts';
import { countSigners } from '../adapters/repository/sign.ts';
import type { Signer } from '../adapters/signing/signer.ts';
import { ROLLOUTS_ROLE } from '../core/tuf/names.ts';
import { trustIn } from '../core/tuf/repository-metadata.ts';
import { ServerError } from './errors.ts';

/** Throws `server/key` unless the signers together may sign every role that a commit of the server changes. */
export function requireServerKeys(state: RepositoryState, signers: readonly Signer[]): void {
  for (const role of [ROLLOUTS_ROLE, 'snapshot', 'timestamp']) {
    const trust = trustIn(state, role);
    if (trust === null) {
      throw new ServerError('server/key', `the repository delegates no role ${role}`);
    }
    const { keyids, threshold } = trust;
    const given = countSigners(trust, signers);
    if (given < threshold) {
      throw new ServerError(
        'server/key',
        `--online-key: role ${role} needs ${threshold} of its keys, got ${given}`,
        {
          hints: [
            `keys of ${role}: ${keyids.join(', ')}`,
            ...signers.map(({ source, keyId }) => `given: ${source} is ${keyId}`),
          ],
        },
      );
    }
  }
}
