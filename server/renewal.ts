import type { RepositoryState } from '../adapters/repository/repository.ts';
import { LIFETIME_DAYS } from '../core/tuf/lifetimes.ts';
import { ROLLOUTS_ROLE } from '../core/tuf/names.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

/** Whether a role that the server signs has less than half of its life left. */
export function isRenewalDue(
  { timestamp, snapshot, delegated }: RepositoryState,
  now: Date,
): boolean {
  const roles = [
    { expires: timestamp.expires, days: LIFETIME_DAYS.timestamp },
    { expires: snapshot.expires, days: LIFETIME_DAYS.snapshot },
    { expires: delegated.get(ROLLOUTS_ROLE)?.expires, days: LIFETIME_DAYS.rollouts },
  ];
  return roles.some(({ expires, days }) => {
    if (expires === undefined) return false;
    return new Date(expires).getTime() - now.getTime() < (days * DAY_MS) / 2;
  });
}
