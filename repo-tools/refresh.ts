import type {
  Repository,
  RepositoryEdit,
  RepositoryState,
} from '../adapters/repository/repository.ts';
import type { Signer } from '../adapters/signing/signer.ts';
import { formatInstant } from '../core/instant.ts';
import { isRenewalDue } from '../core/tuf/lifetimes.ts';
import type { ExpiryPolicy } from '../core/tuf/lifetimes.ts';
import { roleExpiries, trustIn } from '../core/tuf/repository-metadata.ts';

export type RefreshOrder = {
  readonly signers: readonly Signer[];
  readonly now: Date;
  readonly policy: ExpiryPolicy;
  /** Only what the policy says is due; else everything that the signers may sign. */
  readonly isOnlyIfDue: boolean;
};

export type Refreshed = {
  /** Roles that were signed anew, with their new expiry. */
  readonly renewed: readonly {
    readonly role: string;
    readonly version: number;
    readonly expires: string;
  }[];
  /** Roles that are due, but need keys that were not given. */
  readonly left: readonly string[];
};

/**
 * Signs roles anew before they expire, each with the content that it has. A root is never renewed here: its new version is
 * a ceremony. Throws RepositoryError if the snapshot or timestamp keys are missing.
 */
export async function refreshRepository(
  repository: Repository,
  order: RefreshOrder,
): Promise<Refreshed> {
  const before = await repository.load();
  const after = await repository.commit({
    signers: order.signers,
    edit: (state) => editOf(state, order),
  });
  const old = new Map(roleExpiries(before, order.now).map(({ role, version }) => [role, version]));
  const expiries = roleExpiries(after, order.now);
  return {
    renewed: expiries
      .filter(({ role, version }) => old.get(role) !== version)
      .map(({ role, version, expires }) => ({ role, version, expires: formatInstant(expires) })),
    left: expiries
      .filter(({ role, expires }) =>
        isRenewalDue(role, formatInstant(expires), order.now, order.policy),
      )
      .map(({ role }) => role),
  };
}

function editOf(state: RepositoryState, order: RefreshOrder): RepositoryEdit {
  const { now, policy, isOnlyIfDue } = order;
  const wanted = roleExpiries(state, now)
    .filter(
      ({ role, expires }) =>
        role !== 'root' &&
        (!isOnlyIfDue || isRenewalDue(role, formatInstant(expires), now, policy)),
    )
    .map(({ role }) => role);
  const roles = wanted.filter((role) => !isOnline(role) && isSignable(state, role, order.signers));
  return {
    roles: new Map(roles.map((role) => [role, {}])),
    renew: wanted.filter(isOnline),
  };
}

function isOnline(role: string): role is 'snapshot' | 'timestamp' {
  return role === 'snapshot' || role === 'timestamp';
}

function isSignable(state: RepositoryState, role: string, signers: readonly Signer[]): boolean {
  const trust = trustIn(state, role);
  const given = trust?.keyids.filter((id) => signers.some(({ keyId }) => keyId === id)) ?? [];
  return trust !== null && given.length >= trust.threshold;
}
