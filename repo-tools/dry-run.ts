import type { EditPlan } from '../adapters/repository/repository.ts';
import type { Io } from '../adapters/terminal/io.ts';
import { formatBytes } from '../adapters/terminal/progress.ts';
import { consequencesOf, wordsOf } from '../core/tuf/change-words.ts';
import { diffRoot, diffTargets } from '../core/tuf/diff.ts';
import type { Change, RoleDiff } from '../core/tuf/diff.ts';
import { trustIn } from '../core/tuf/repository-metadata.ts';
import { signedSize } from '../core/tuf/signed-size.ts';
import { print } from './usage.ts';

type DryRunRole = {
  readonly role: string;
  readonly changes: readonly Change[];
  /** Empty for a file that is signed already. */
  readonly mustSign: { readonly threshold: number; readonly keyIds: readonly string[] };
};

/** What a command would do to the repository, before a key is touched. */
type DryRun = {
  readonly roles: readonly DryRunRole[];
  /** Which clients and people notice, in words. */
  readonly affects: readonly string[];
  /** Of targets exactly; of metadata nearly, because signatures are still missing. */
  readonly uploadBytes: { readonly targets: number; readonly metadata: number };
};

function dryRunOf(plan: EditPlan): DryRun {
  const diffs = diffsOf(plan);
  const adopted = new Set(plan.adopted.keys());
  return {
    roles: diffs.map(({ role, changes }) => {
      const trust = role === 'root' || adopted.has(role) ? null : trustIn(plan.after, role);
      return {
        role,
        changes,
        mustSign: { threshold: trust?.threshold ?? 0, keyIds: trust?.keyids ?? [] },
      };
    }),
    affects: consequencesOf(diffs),
    uploadBytes: { targets: targetBytes(diffs), metadata: metadataBytes(plan, diffs) },
  };
}

/** Prints what a command would do; no plan is a command that finds nothing to do. */
export function printDryRun(
  io: Io,
  isJson: boolean | undefined,
  plans: readonly EditPlan[],
  more: { readonly json: object; readonly lines: readonly string[] } = { json: {}, lines: [] },
): void {
  const shown = plans.map(dryRunOf);
  const whole = {
    roles: shown.flatMap(({ roles }) => roles),
    affects: shown.flatMap(({ affects }) => affects),
    uploadBytes: {
      targets: shown.reduce((sum, { uploadBytes }) => sum + uploadBytes.targets, 0),
      metadata: shown.reduce((sum, { uploadBytes }) => sum + uploadBytes.metadata, 0),
    },
  };
  print(io, isJson, { dryRun: true, ...more.json, ...whole }, [
    ...more.lines,
    ...dryRunLines(whole),
  ]);
}

/** For people: role by role, then what it means and what is sent. */
function dryRunLines({ roles, affects, uploadBytes }: DryRun): readonly string[] {
  if (roles.length === 0) return ['nothing would change'];
  return [
    ...roles.flatMap(({ role, changes, mustSign }) => [
      ...changes.map((change) => `${role}: ${wordsOf(change)}`),
      ...(mustSign.threshold === 0
        ? []
        : [`${role}: to be signed by ${mustSign.threshold} of ${mustSign.keyIds.join(', ')}`]),
    ]),
    ...affects.map((line) => `  ${line}`),
    `to upload: ${formatBytes(uploadBytes.targets)} of targets, about ${formatBytes(uploadBytes.metadata)} of metadata`,
    'dry run: nothing was signed, nothing was written',
  ];
}

function diffsOf(plan: EditPlan): readonly RoleDiff[] {
  const { before, after, root, signed, adopted, snapshot, timestamp } = plan;
  const anew = [{ kind: 'signed-anew' } as const];
  return [
    ...(root === null ? [] : [{ role: 'root', changes: diffRoot(before.root, root.signed) }]),
    ...[...signed.keys(), ...adopted.keys()].map((role) => {
      const old = role === 'targets' ? before.targets : (before.delegated.get(role) ?? null);
      const now = role === 'targets' ? after.targets : after.delegated.get(role);
      return { role, changes: now === undefined ? [] : diffTargets(old, now) };
    }),
    ...(snapshot ? [{ role: 'snapshot', changes: anew }] : []),
    ...(timestamp ? [{ role: 'timestamp', changes: anew }] : []),
  ];
}

function targetBytes(diffs: readonly RoleDiff[]): number {
  return diffs
    .flatMap(({ changes }) => changes)
    .reduce((sum, change) => {
      const isSent = change.kind === 'target-added' || change.kind === 'target-changed';
      return isSent ? sum + change.length : sum;
    }, 0);
}

function metadataBytes({ after }: EditPlan, diffs: readonly RoleDiff[]): number {
  return diffs
    .map(({ role }) => signedSize(metadataOf(after, role), trustIn(after, role)?.threshold ?? 1))
    .reduce((sum, bytes) => sum + bytes, 0);
}

function metadataOf(after: EditPlan['after'], role: string): unknown {
  switch (role) {
    case 'root':
    case 'targets':
    case 'snapshot':
    case 'timestamp':
      return after[role];
    default:
      return after.delegated.get(role) ?? null;
  }
}
