import { dueRoles, renewalEdit } from '../adapters/repository/renewal.ts';
import type { RenewalOrder } from '../adapters/repository/renewal.ts';
import type { EditPlan, Repository } from '../adapters/repository/repository.ts';
import type { Signer } from '../adapters/signing/signer.ts';
import { formatInstant } from '../core/instant.ts';
import { roleExpiries, trustIn } from '../core/tuf/repository-metadata.ts';

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

/** What a renewal would sign if all keys but those of the root were at hand. */
export async function planRefresh(
  repository: Repository,
  order: Omit<RenewalOrder, 'signers'>,
): Promise<EditPlan> {
  return repository.plan((state) => {
    const roles = ['targets', 'snapshot', 'timestamp', ...state.delegated.keys()];
    const keys = roles.flatMap((role) => Object.values(trustIn(state, role)?.keys ?? {}));
    return renewalEdit(state, { ...order, signers: keys.map((key) => ({ key })) });
  });
}

/** Commits a renewal. Throws RepositoryError if the snapshot or timestamp keys are missing. */
export async function refreshRepository(
  repository: Repository,
  order: RenewalOrder & { readonly signers: readonly Signer[] },
): Promise<Refreshed> {
  const before = await repository.load();
  const after = await repository.commit({
    signers: order.signers,
    edit: (state) => renewalEdit(state, order),
  });
  const old = new Map(roleExpiries(before, order.now).map(({ role, version }) => [role, version]));
  return {
    renewed: roleExpiries(after, order.now)
      .filter(({ role, version }) => old.get(role) !== version)
      .map(({ role, version, expires }) => ({ role, version, expires: formatInstant(expires) })),
    left: dueRoles(after, order).map(({ role }) => role),
  };
}
