import { randomBytes } from 'node:crypto';
import { laterHead } from '../../core/audit.ts';
import type { ChainHead } from '../../core/audit.ts';
import { changeOf } from '../../core/audit-record.ts';
import type { VerbChange } from '../../core/audit-record.ts';
import { compileManifest } from '../../core/compile.ts';
import { ExpectedError } from '../../core/errors.ts';
import { parseAuditHead, parseManifest } from '../../core/manifest.ts';
import { appliedIds, applyToPlan, countDecided, EMPTY_PLAN } from '../../core/plan.ts';
import type { Plan, PlanVerb } from '../../core/plan.ts';
import { releaseRefOf } from '../../core/release-ref.ts';
import { parseRelease } from '../../core/release.ts';
import type { ReleaseRef, Rollout } from '../../core/rollout.ts';
import { MANIFEST_TARGET, releaseDocumentTarget, ROLLOUTS_ROLE } from '../../core/tuf/names.ts';
import { RolloutError } from '../../core/verb.ts';
import type { Signer } from '../signing/signer.ts';
import { publishedReleases } from './repository.ts';
import type { Edit, EditPlan, Repository, RepositoryState } from './repository.ts';

export class PublishedError extends ExpectedError<
  /** The repository holds no release of this variant, arch and version. */
  | 'release/not-published'
  /** It holds the document, but the images were taken away for good. */
  | 'release/withdrawn'
> {}

export type Rejected = { readonly verb: PlanVerb; readonly error: RolloutError };

/** What a manifest carries besides what Bottlerocket hosts read. */
export type ManifestContent = Plan & {
  /** The head of the server's audit log when it was signed; null if no server ever committed it. */
  readonly auditHead: ChainHead | null;
};

export type VerbsCommitted = ManifestContent & {
  readonly state: RepositoryState;
  /** By verb id what it did; a verb that the manifest held before is not among them. */
  readonly changes: ReadonlyMap<string, VerbChange>;
  /** Verbs that were not legal any more when their turn came; the others are committed. */
  readonly rejected: readonly Rejected[];
};

export async function readRollouts(
  repository: Repository,
  state: RepositoryState,
): Promise<readonly Rollout[]> {
  return (await readManifest(repository, state)).rollouts;
}

/** What operators decided, and the head of the audit log, from the signed manifest. */
export async function readManifest(
  repository: Repository,
  state: RepositoryState,
): Promise<ManifestContent> {
  const text = utf8(await repository.readTarget(state, MANIFEST_TARGET));
  return { ...parseManifest(text), auditHead: parseAuditHead(text) };
}

/** What a rollout must know of a published release, from its signed document. Throws PublishedError. */
export async function findRelease(
  repository: Repository,
  state: RepositoryState,
  wanted: { readonly variant: string; readonly arch: string; readonly version: string },
): Promise<ReleaseRef> {
  const isPublished = publishedReleases(state).some(
    ({ variant, arch, version }) =>
      variant === wanted.variant && arch === wanted.arch && version === wanted.version,
  );
  if (!isPublished) throw notPublished(state, wanted);
  const document = releaseDocumentTarget(wanted);
  const release = parseRelease(await repository.readTarget(state, document));
  if (release.withdrawn !== undefined) {
    const { variant, arch, version, withdrawn } = release;
    throw new PublishedError(
      'release/withdrawn',
      `release ${version} of ${variant} ${arch} was withdrawn: ${withdrawn.reason}`,
      { hints: ['give another version'] },
    );
  }
  return releaseRefOf(release);
}

/**
 * The verbs with the releases as they are published by now: one may have been amended or withdrawn since the verb was made.
 * A verb that is applied already stays as it is.
 */
async function withPublished(
  repository: Repository,
  state: RepositoryState,
  { plan, verbs }: { readonly plan: Plan; readonly verbs: readonly PlanVerb[] },
): Promise<{ readonly verbs: readonly PlanVerb[]; readonly rejected: readonly Rejected[] }> {
  const applied = appliedIds(plan);
  const current: PlanVerb[] = [];
  const rejected: Rejected[] = [];
  for (const verb of verbs) {
    try {
      if (applied.has(verb.id)) current.push(verb);
      else if (verb.kind === 'start')
        current.push({ ...verb, release: await findRelease(repository, state, verb.release) });
      else if (verb.kind === 'roll-back')
        current.push({ ...verb, to: await findRelease(repository, state, verb.to) });
      else current.push(verb);
    } catch (error) {
      if (!(error instanceof PublishedError)) throw error;
      const { message, hints } = error;
      const refused = new RolloutError('rollout/not-permitted', message, { cause: error, hints });
      rejected.push({ verb, error: refused });
    }
  }
  return { verbs: current, rejected };
}

/** The error for a release that is looked for in vain, with the versions that are there. */
export function notPublished(
  state: RepositoryState,
  wanted: { readonly variant: string; readonly arch: string; readonly version: string },
): PublishedError {
  const versions = publishedReleases(state)
    .filter(({ variant, arch }) => variant === wanted.variant && arch === wanted.arch)
    .map(({ version }) => version)
    .join(', ');
  return new PublishedError(
    'release/not-published',
    `release ${wanted.version} of ${wanted.variant} ${wanted.arch} is not published`,
    { hints: [versions === '' ? 'none of this variant and arch is' : `published: ${versions}`] },
  );
}

/**
 * Applies the verbs to the plan of the manifest and commits it, beginning again from what is there whenever somebody
 * else commits first. The verbs are in the order of acceptance: what comes before one that is committed is not done any more. Without verbs it commits only if the manifest compiles to something else by now. A manifest that is
 * committed names `auditHead` from then on, or the later head that it names already.
 */
export async function commitVerbs(
  repository: Repository,
  options: {
    readonly signers: readonly Signer[];
    readonly verbs: readonly PlanVerb[];
    readonly now: Date;
    readonly auditHead?: ChainHead | null;
    /** Told what would be committed; then nothing is. */
    readonly onPlan?: ((plan: EditPlan) => void) | undefined;
  },
): Promise<VerbsCommitted> {
  let plan: Plan = EMPTY_PLAN;
  let rejected: readonly Rejected[] = [];
  let auditHead: ChainHead | null = null;
  let changes: VerbsCommitted['changes'] = new Map();
  const edit: Edit = async (before) => {
    const bytes = await repository.readTarget(before, MANIFEST_TARGET);
    const old = parseManifest(utf8(bytes));
    auditHead = parseAuditHead(utf8(bytes));
    const fresh = await withPublished(repository, before, {
      plan: old,
      verbs: options.verbs,
    });
    const applied = applyAll(old, fresh.verbs);
    plan = applied.plan;
    rejected = [...fresh.rejected, ...applied.rejected];
    changes = applied.changes;
    // All refused, or all applied before: there is nothing of theirs to commit.
    if (options.verbs.length > 0 && plan === old) return { roles: new Map() };
    const published = publishedReleases(before).map(({ version }) => version);
    const compile = (head: ChainHead | null) =>
      compileManifest(plan, { published, now: options.now, auditHead: head });
    // A later head alone is no reason to commit.
    if (compile(auditHead) === utf8(bytes)) return { roles: new Map() };
    auditHead = laterHead(auditHead, options.auditHead ?? null);
    const bytesOfNext = new TextEncoder().encode(compile(auditHead));
    const change = { name: MANIFEST_TARGET, bytes: bytesOfNext };
    return { roles: new Map([[ROLLOUTS_ROLE, { replace: [change] }]]) };
  };
  const state = await commitOrPlan(repository, edit, options);
  return { state, ...plan, auditHead, changes, rejected };
}

async function commitOrPlan(
  repository: Repository,
  edit: Edit,
  {
    signers,
    onPlan,
  }: {
    readonly signers: readonly Signer[];
    readonly onPlan?: ((plan: EditPlan) => void) | undefined;
  },
): Promise<RepositoryState> {
  if (onPlan === undefined) return repository.commit({ signers, edit });
  const plan = await repository.plan(edit);
  onPlan(plan);
  return plan.before;
}

function applyAll(before: Plan, verbs: readonly PlanVerb[]) {
  let plan = before;
  const rejected: Rejected[] = [];
  const changes = new Map<string, VerbChange>();
  const applied = appliedIds(before);
  const decided = countDecided(before, verbs);
  for (const [index, verb] of verbs.entries()) {
    try {
      if (index < decided && !applied.has(verb.id)) throw overtaken(verb);
      const next = applyToPlan(plan, verb);
      if (next !== plan) changes.set(verb.id, changeOf(verb, plan, next));
      plan = next;
    } catch (error) {
      if (!(error instanceof RolloutError)) throw error;
      rejected.push({ verb, error });
    }
  }
  return { plan, rejected, changes };
}

/** It was refused before, by a server that was gone before it could say so. */
function overtaken({ kind, id }: PlanVerb): RolloutError {
  return new RolloutError(
    'rollout/illegal',
    `${kind} ${id} comes too late: a verb that was accepted after it is committed`,
  );
}

/** Ten letters and digits; short enough to type, and never met twice in one manifest. */
export function newRolloutId(): string {
  return BigInt(`0x${randomBytes(8).toString('hex')}`)
    .toString(36)
    .padStart(13, '0')
    .slice(-10);
}

function utf8(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
}
