import { canonicalBytes } from './canonical.ts';
import { newSnapshot, newTargets, newTimestamp } from './edit.ts';
import { consequencesOf } from './change-words.ts';
import { diffRoot, diffTargets } from './diff.ts';
import type { RoleDiff } from './diff.ts';
import { faultsOfChange } from './lint.ts';
import type { RootMetadata } from './metadata.ts';
import { fingerprintOf } from './proposal.ts';
import type { Proposal } from './proposal.ts';
import { trustIn } from './repository-metadata.ts';
import { requirementsOf, trustFilesOf } from './requirements.ts';
import type { Requirement } from './requirements.ts';
import { signedSize } from './signed-size.ts';
import { isExpired, rootTrust, signersOf } from './verify.ts';

/** Who may sign a role once the proposal is applied. */
export type Holders = {
  readonly role: string;
  readonly threshold: number;
  readonly keyIds: readonly string[];
};

export type Review = {
  readonly fingerprint: string;
  readonly diffs: readonly RoleDiff[];
  /**
   * All of them, not only those that change: what the proposal says it replaces is a claim, and a key that stands in both
   * would be in no difference.
   */
  readonly holders: readonly Holders[];
  readonly consequences: readonly string[];
  /** What must be mended: the proposal is not applied with any of them. */
  readonly problems: readonly string[];
  readonly advice: readonly string[];
  readonly requirements: readonly Requirement[];
  /** About how many bytes of metadata applying it sends, snapshot and timestamp too. It sends no targets. */
  readonly uploadBytes: number;
};

const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * Everything that a person should know before signing. With a root that the person trusts from elsewhere, a proposal on top of
 * a root that this one does not vouch for is a problem.
 */
export function reviewOf(
  proposal: Proposal,
  now: Date,
  trustedRoot: RootMetadata | null = null,
): Review {
  const diffs = diffsOf(proposal);
  return {
    fingerprint: fingerprintOf(proposal),
    diffs,
    consequences: [
      ...consequencesOf(diffs),
      ...(proposal.restart.length === 0
        ? []
        : [
            `the versions of ${proposal.restart.join(', ')} start again: hosts accept that only because all keys of snapshot and timestamp are new`,
          ]),
    ],
    holders: holdersOf(proposal),
    problems: [...anchorProblems(proposal, trustedRoot), ...problemsOf(proposal, now)],
    advice: adviceOf(proposal, now),
    requirements: requirementsOf(proposal),
    uploadBytes: uploadBytesOf(proposal),
  };
}

/** A root that is not the trusted one must be signed by enough of its keys: then hosts that trust it follow too. */
function anchorProblems({ base }: Proposal, trusted: RootMetadata | null): readonly string[] {
  if (trusted === null) return [];
  if (base === null) return ['it begins a new repository, and you trust the root of another one'];
  const { signed } = base.root;
  const isSame = Buffer.compare(canonicalBytes(signed), canonicalBytes(trusted)) === 0;
  const trust = rootTrust(trusted, 'root');
  const isSuccessor =
    signed.version > trusted.version && signersOf(base.root, trust).length >= trust.threshold;
  if (isSame || isSuccessor) return [];
  return [
    `it is made on top of root ${signed.version}, for which the keys of your root ${trusted.version} do not vouch`,
  ];
}

function holdersOf(proposal: Proposal): readonly Holders[] {
  const { root, targets } = trustFilesOf(proposal);
  const named = [
    ...Object.entries(root.roles),
    ...(targets.delegations?.roles ?? []).map((role) => [role.name, role] as const),
  ];
  return named.map(([role, { threshold, keyids }]) => ({ role, threshold, keyIds: keyids }));
}

function diffsOf({ base, root, targets, delegated }: Proposal): readonly RoleDiff[] {
  return [
    ...(root === null
      ? []
      : [{ role: 'root', changes: diffRoot(base?.root.signed ?? null, root.signed) }]),
    ...(targets === null
      ? []
      : [{ role: 'targets', changes: diffTargets(base?.targets.signed ?? null, targets.signed) }]),
    ...[...delegated].map(([role, { signed }]) => ({
      role,
      changes: diffTargets(base?.delegated.get(role)?.signed ?? null, signed),
    })),
  ];
}

function problemsOf(proposal: Proposal, now: Date): readonly string[] {
  const { base, root, targets, delegated } = proposal;
  const files = [['root', root] as const, ['targets', targets] as const, ...delegated];
  const trusted = trustFilesOf(proposal);
  return [
    ...baseProblems(proposal),
    ...(root !== null && root.signed.version !== (base?.root.signed.version ?? 0) + 1
      ? [
          `root has version ${root.signed.version}, and must follow ${base?.root.signed.version ?? 0}`,
        ]
      : []),
    ...files.flatMap(([role, file]) =>
      file !== null && isExpired(file.signed, now)
        ? [`${role} expires at ${file.signed.expires}, which is past`]
        : [],
    ),
    ...[...delegated.keys()]
      .filter((role) => trustIn(trusted, role) === null)
      .map((role) => `${role} is not delegated`),
    ...faultsOfChange({ before: wholeBefore(proposal), after: wholeOf(proposal) }).map(
      ({ check, where, what, reason }) => `${where}: ${what} (${check}: ${reason})`,
    ),
  ];
}

function baseProblems({ base }: Proposal): readonly string[] {
  if (base === null) return [];
  const root = rootTrust(base.root.signed, 'root');
  const targets = rootTrust(base.root.signed, 'targets');
  return [
    ...(signersOf(base.root, root).length < root.threshold
      ? ['the present root is not signed by enough of its own keys']
      : []),
    ...(signersOf(base.targets, targets).length < targets.threshold
      ? ['the present targets role is not signed by enough of its keys']
      : []),
  ];
}

function wholeBefore(proposal: Proposal) {
  if (proposal.base === null) return null;
  return wholeOf({ ...proposal, root: null, targets: null, delegated: new Map() });
}

/** The repository as far as the proposal knows it; what it does not know is empty, and breaks no rule. */
function wholeOf({ delegated, base, ...rest }: Proposal) {
  const { root, targets } = trustFilesOf({ delegated, base, ...rest });
  const edition = { version: 1, expires: root.expires };
  const names = targets.delegations?.roles.map(({ name }) => name) ?? [];
  const nothing = { version: 1, length: 1, hashes: { sha256: '0'.repeat(64) } };
  const roles = names.map(
    (name) =>
      [
        name,
        delegated.get(name)?.signed ?? base?.delegated.get(name)?.signed ?? newTargets(edition),
      ] as const,
  );
  return {
    root,
    targets,
    delegated: new Map(roles),
    snapshot: newSnapshot(
      new Map(['targets', ...names].map((name) => [name, nothing] as const)),
      edition,
    ),
    timestamp: newTimestamp(nothing, edition),
  };
}

function uploadBytesOf(proposal: Proposal): number {
  const whole = wholeOf(proposal);
  const size = (role: string, signed: unknown) =>
    signedSize(signed, trustIn(whole, role)?.threshold ?? 1);
  return [
    ...(proposal.root === null ? [] : [size('root', whole.root)]),
    ...(proposal.targets === null ? [] : [size('targets', whole.targets)]),
    ...[...proposal.delegated].map(([role, { signed }]) => size(role, signed)),
    size('snapshot', whole.snapshot),
    size('timestamp', whole.timestamp),
  ].reduce((sum, bytes) => sum + bytes, 0);
}

function adviceOf(proposal: Proposal, now: Date): readonly string[] {
  const { root, targets } = trustFilesOf(proposal);
  const { roles } = root;
  const online = new Set([...roles.snapshot.keyids, ...roles.timestamp.keyids]);
  const isOnline = (role: 'root' | 'targets') => roles[role].keyids.some((id) => online.has(id));
  const spare = roles.root.keyids.length - roles.root.threshold;
  return [
    ...(roles.root.threshold === 1
      ? ['one root key alone decides about everything: let at least two people sign root']
      : []),
    ...(spare === 0
      ? [
          'if one root key is lost, root can never be changed again: keep one more key than the threshold',
        ]
      : []),
    ...(isOnline('root')
      ? ['a root key is an online key too: who breaks into the server owns every host']
      : []),
    ...(isOnline('targets')
      ? [
          'a targets key is an online key too: who breaks into the server decides who signs releases',
        ]
      : []),
    ...[
      ['root', proposal.root === null ? null : root.expires] as const,
      ['targets', proposal.targets === null ? null : targets.expires] as const,
    ].flatMap(([role, expires]) => {
      if (expires === null) return [];
      const days = (new Date(expires).getTime() - now.getTime()) / DAY_MS;
      if (days > 0 && days < 30)
        return [`${role} lives less than a month: the people must meet again soon`];
      return days > 1100
        ? [`${role} lives more than three years: hosts would trust lost keys that long`]
        : [];
    }),
  ];
}
