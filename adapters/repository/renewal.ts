import { formatInstant } from '../../core/instant.ts';
import { isRenewalDue } from '../../core/tuf/lifetimes.ts';
import type { ExpiryPolicy } from '../../core/tuf/lifetimes.ts';
import { roleExpiries, trustIn } from '../../core/tuf/repository-metadata.ts';
import type { RepositoryMetadata, RoleExpiry } from '../../core/tuf/repository-metadata.ts';
import type { Signer } from '../signing/signer.ts';
import type { RepositoryEdit } from './edits.ts';
import { countSigners } from './sign.ts';

export type RenewalOrder = {
  /** Whose signatures can be had; their public keys are all that this asks. */
  readonly signers: readonly Pick<Signer, 'key'>[];
  readonly now: Date;
  readonly policy: ExpiryPolicy;
  /** Only what the policy says is due; else everything that the signers may sign. */
  readonly isOnlyIfDue: boolean;
  /** Only these roles; every role but the root if it is not given. */
  readonly among?: readonly string[];
};

/** What should be signed anew by now, whoever holds the keys. */
export function dueRoles(
  metadata: RepositoryMetadata,
  { now, policy }: Pick<RenewalOrder, 'now' | 'policy'>,
): readonly RoleExpiry[] {
  return roleExpiries(metadata, now).filter(({ role, expires }) =>
    isRenewalDue(role, formatInstant(expires), now, policy),
  );
}

/**
 * Signs roles anew before they expire, each with the content that it has. A root is never renewed here: its new version is
 * a ceremony. Targets roles whose keys are not given are left out; without those of snapshot or timestamp the commit fails.
 */
export function renewalEdit(metadata: RepositoryMetadata, order: RenewalOrder): RepositoryEdit {
  const { now, isOnlyIfDue, among, signers } = order;
  const candidates = isOnlyIfDue ? dueRoles(metadata, order) : roleExpiries(metadata, now);
  const wanted = candidates
    .map(({ role }) => role)
    .filter((role) => role !== 'root' && (among === undefined || among.includes(role)));
  const roles = wanted.filter((role) => !isOnline(role) && isSignable(metadata, role, signers));
  return {
    roles: new Map(roles.map((role) => [role, {}])),
    renew: wanted.filter(isOnline),
  };
}

function isOnline(role: string): role is 'snapshot' | 'timestamp' {
  return role === 'snapshot' || role === 'timestamp';
}

function isSignable(
  metadata: RepositoryMetadata,
  role: string,
  signers: RenewalOrder['signers'],
): boolean {
  const trust = trustIn(metadata, role);
  return trust !== null && countSigners(trust, signers) >= trust.threshold;
}
