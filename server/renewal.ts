import type { RepositoryState } from '../adapters/repository/repository.ts';
import { DEFAULT_EXPIRY_POLICY, isRenewalDue as isDue } from '../core/tuf/lifetimes.ts';
import { ROLLOUTS_ROLE } from '../core/tuf/names.ts';

/** Whether a role that the server signs should be signed anew by now. */
export function isRenewalDue(
  { timestamp, snapshot, delegated }: RepositoryState,
  now: Date,
): boolean {
  const roles = [
    ['timestamp', timestamp.expires],
    ['snapshot', snapshot.expires],
    [ROLLOUTS_ROLE, delegated.get(ROLLOUTS_ROLE)?.expires],
  ] as const;
  return roles.some(
    ([role, expires]) => expires !== undefined && isDue(role, expires, now, DEFAULT_EXPIRY_POLICY),
  );
}
