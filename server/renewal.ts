import { dueRoles, renewalEdit } from '../adapters/repository/renewal.ts';
import type { RenewalOrder } from '../adapters/repository/renewal.ts';
import type { RepositoryEdit, RepositoryState } from '../adapters/repository/repository.ts';
import { ROLLOUTS_ROLE } from '../core/tuf/names.ts';
import type { RoleExpiry } from '../core/tuf/repository-metadata.ts';

/** What a server renews by itself. Should its key hold more roles than these, people still decide about the others. */
const OWN_ROLES: readonly string[] = [ROLLOUTS_ROLE, 'snapshot', 'timestamp'];

type Order = Pick<RenewalOrder, 'signers' | 'now' | 'policy'>;

/** What of the server's own roles is due, as `repo refresh --only-if-due` renews it; nothing else is signed anew. */
export function ownRenewal(state: RepositoryState, order: Order): RepositoryEdit {
  return renewalEdit(state, { ...order, isOnlyIfDue: true, among: OWN_ROLES });
}

export function isRenewalDue(state: RepositoryState, order: Order): boolean {
  const { roles, renew = [] } = ownRenewal(state, order);
  return roles.size > 0 || renew.length > 0;
}

/** Roles that are due and that the server will not renew, because it may not. */
export function dueForPeople(state: RepositoryState, order: Order): readonly RoleExpiry[] {
  const { roles, renew = [] } = ownRenewal(state, order);
  return dueRoles(state, order).filter(
    ({ role }) => !roles.has(role) && !renew.some((own) => own === role),
  );
}
