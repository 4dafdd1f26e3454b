import { formatInstant } from '../../core/instant.ts';
import { DEFAULT_EXPIRY_POLICY, expiresOf } from '../../core/tuf/lifetimes.ts';
import type { ExpiryPolicy } from '../../core/tuf/lifetimes.ts';
import type { RepositoryMetadata } from '../../core/tuf/repository-metadata.ts';
import { isExpired } from '../../core/tuf/verify.ts';
import { RepositoryError } from './errors.ts';
import type { EditPlan } from './plan.ts';

/**
 * Nothing is signed by a clock that is plainly wrong. Ahead: the root expired longer ago than a root lives. Behind: the new
 * timestamp would expire earlier than the present one by more than renewals ever come early, so that hosts may find it expired.
 * Who changes the root has people at hand who look at dates, and may have to repair what such a clock did.
 */
export function requireSaneClock(
  { before, after, root }: EditPlan,
  {
    now,
    expiry,
    allowEarlierExpiry,
  }: {
    readonly now: Date;
    readonly expiry: ExpiryPolicy;
    readonly allowEarlierExpiry: boolean;
  },
): void {
  if (root !== null) return;
  requireNotAhead(after.root, { now, expiry });
  if (!allowEarlierExpiry) requireNotBehind(before.timestamp, { now, expiry });
}

/** What could not be signed by this clock must not be promised either. */
export function requireClockToSign(
  { root, timestamp }: Pick<RepositoryMetadata, 'root' | 'timestamp'>,
  reading: Reading,
): void {
  requireNotAhead(root, reading);
  requireNotBehind(timestamp, reading);
}

type Reading = { readonly now: Date; readonly expiry: ExpiryPolicy };

function requireNotAhead(root: RepositoryMetadata['root'], { now, expiry }: Reading): void {
  if (!isExpired(root, new Date(now.getTime() - expiry.root.lifetimeMs))) return;
  throw new RepositoryError(
    'repository/clock',
    `the clock says ${formatInstant(now)}, and root ${root.version} expired at ${root.expires}`,
    {
      hints: [
        'is the clock right?',
        'if so, no host can update before people sign a new root: tidegate repo root propose --renew root',
      ],
    },
  );
}

function requireNotBehind(
  { expires: present }: RepositoryMetadata['timestamp'],
  { now, expiry }: Reading,
): void {
  const next = expiresOf('timestamp', now, expiry);
  const shortenedMs = new Date(present).getTime() - new Date(next).getTime();
  if (shortenedMs <= expiry.timestamp.renewalMs) return;
  throw new RepositoryError(
    'repository/clock',
    `the clock says ${formatInstant(now)}, so the new timestamp would expire at ${next}, long before the present one at ${present}`,
    {
      hints: [
        'is the clock right?',
        'does this repository have an --expiry-policy? give it to every command that commits',
        'if so, the last one was wrong or the expiry policy is shorter now: tidegate repo refresh --allow-earlier-expiry',
      ],
    },
  );
}

/**
 * Before people are asked to sign: a new root of a clock that is behind by more than a root ever lives would stop every host, and
 * no later one could tell by its date.
 */
export function requireSaneDraft(
  { root }: Pick<RepositoryMetadata, 'root'>,
  { now, expiry }: { readonly now: Date; readonly expiry: ExpiryPolicy },
): void {
  const lifeMs = Math.max(expiry.root.lifetimeMs, DEFAULT_EXPIRY_POLICY.root.lifetimeMs);
  if (now.getTime() + 2 * lifeMs >= new Date(root.expires).getTime()) return;
  throw new RepositoryError(
    'repository/clock',
    `the clock says ${formatInstant(now)}, and root ${root.version} expires only at ${root.expires}`,
    { hints: ['is the clock right?'] },
  );
}
