import type { Key } from './keys.ts';
import type { RootMetadata } from './metadata.ts';
import type { Proposal } from './proposal.ts';
import { trustIn } from './repository-metadata.ts';
import type { TrustFiles } from './role-keys.ts';
import { rootTrust, signersOf, trustedIdOf } from './verify.ts';
import type { RoleTrust } from './verify.ts';

/** Who must sign one file of a proposal, and who has. */
export type Requirement = {
  readonly role: string;
  /** Whose keys are asked: a new root needs those of the root before it and its own. */
  readonly by: string;
  readonly threshold: number;
  readonly signed: readonly string[];
  readonly missing: readonly string[];
  readonly isMet: boolean;
};

/** Which keys must sign which file, with the signatures that hold already. */
export function requirementsOf(proposal: Proposal): readonly Requirement[] {
  return demandsOf(proposal).map(requirement);
}

/** A file of a proposal, and who must sign it by which metadata. */
type Demand = {
  readonly role: string;
  readonly by: string;
  readonly file: Parameters<typeof signersOf>[0];
  readonly trust: RoleTrust;
};

function demandsOf(proposal: Proposal): readonly Demand[] {
  const { base, root, targets, delegated } = proposal;
  const trusted = trustFilesOf(proposal);
  const ofRoot = (by: RootMetadata, role: 'root' | 'targets') => ({
    ...{ role, by: `root ${by.version}`, trust: rootTrust(by, role) },
  });
  return [
    ...(root === null || base === null
      ? []
      : [{ file: root, ...ofRoot(base.root.signed, 'root') }]),
    ...(root === null ? [] : [{ file: root, ...ofRoot(root.signed, 'root') }]),
    ...(targets === null ? [] : [{ file: targets, ...ofRoot(trusted.root, 'targets') }]),
    ...[...delegated].flatMap(([role, file]) => {
      const trust = trustIn(trusted, role);
      return trust === null
        ? []
        : [{ role, by: `targets ${trusted.targets.version}`, file, trust }];
    }),
  ];
}

/** The files of the proposal that this key may sign, by role, with the ids that the key has there: mostly one. */
export function signableBy(proposal: Proposal, key: Key): ReadonlyMap<string, readonly string[]> {
  const ids = new Map<string, readonly string[]>();
  for (const { role, trust } of demandsOf(proposal)) {
    const id = trustedIdOf(trust, key);
    if (id !== null) ids.set(role, [...new Set([...(ids.get(role) ?? []), id])]);
  }
  return ids;
}

/** Root and targets as they are after the proposal. */
export function trustFilesOf({ base, root, targets }: Proposal): TrustFiles {
  const rootFile = root ?? base?.root;
  const targetsFile = targets ?? base?.targets;
  if (rootFile === undefined || targetsFile === undefined) {
    throw new Error('a proposal without a base has root and targets');
  }
  return { root: rootFile.signed, targets: targetsFile.signed };
}

function requirement({ role, by, file, trust }: Demand): Requirement {
  const signed = signersOf(file, trust);
  return {
    role,
    by,
    threshold: trust.threshold,
    signed,
    missing: trust.keyids.filter((id) => !signed.includes(id)),
    isMet: signed.length >= trust.threshold,
  };
}
