import { compileManifest } from '../../core/compile.ts';
import { EMPTY_PLAN } from '../../core/plan.ts';
import type { ExpiryPolicy } from '../../core/tuf/lifetimes.ts';
import { encodeEnvelope } from '../../core/tuf/metadata.ts';
import type { SignedMetadata, TargetsMetadata } from '../../core/tuf/metadata.ts';
import { ROLLOUTS_ROLE } from '../../core/tuf/names.ts';
import { ProposalError } from '../../core/tuf/proposal.ts';
import type { Proposal } from '../../core/tuf/proposal.ts';
import { trustIn } from '../../core/tuf/repository-metadata.ts';
import { requirementsOf, trustFilesOf } from '../../core/tuf/requirements.ts';
import type { Requirement } from '../../core/tuf/requirements.ts';
import { reviewOf } from '../../core/tuf/review.ts';
import type { Signer } from '../signing/signer.ts';
import type { Storage } from '../storage/storage.ts';
import type { RepositoryEdit } from './edits.ts';
import { RepositoryError } from './errors.ts';
import { foundRepository } from './init.ts';
import type { Patience } from './patience.ts';
import { openRepository } from './repository.ts';
import type { RepositoryState } from './repository.ts';
import { countSigners, encodeSigned, signMetadata } from './sign.ts';

export type ApplyOptions = Patience & {
  readonly storage: Storage;
  /** Keys of rollouts, snapshot and timestamp as they are after the change, and of releases roles that nobody signed yet. */
  readonly signers: readonly Signer[];
  readonly now: Date;
  readonly expiry: ExpiryPolicy;
};

/**
 * Publishes a proposal that enough people have signed. Doing it again finishes what a crash interrupted, and changes nothing
 * once it is done. Throws ProposalError before anything is written if problems or signatures are in the way, RepositoryError
 * `repository/moved-on` if the repository changed since it was proposed.
 */
export async function applyProposal(
  proposal: Proposal,
  options: ApplyOptions,
): Promise<RepositoryState> {
  const { problems } = reviewOf(proposal, options.now);
  if (problems.length > 0) {
    throw new ProposalError('proposal/problems', `proposal ${proposal.id} must be mended`, {
      hints: problems,
    });
  }
  const adopted = await adoptedFiles(proposal, options);
  return proposal.base === null
    ? applyFirst(proposal, adopted, options)
    : applyNext(proposal, adopted, options);
}

type Adopted = ReadonlyMap<string, SignedMetadata<TargetsMetadata>>;

/** The signed files; those of delegated roles that lack signatures are signed by the keys at hand. */
async function adoptedFiles(
  proposal: Proposal,
  { signers }: Pick<ApplyOptions, 'signers'>,
): Promise<Adopted> {
  const unmet = requirementsOf(proposal).filter(({ isMet }) => !isMet);
  const parents = trustFilesOf(proposal);
  const adopted = new Map<string, SignedMetadata<TargetsMetadata>>();
  if (proposal.targets !== null) adopted.set('targets', encodeSigned('targets', proposal.targets));
  const lacking: Requirement[] = unmet.filter(({ role }) => !proposal.delegated.has(role));
  for (const [role, file] of proposal.delegated) {
    const missing = unmet.find((one) => one.role === role);
    const trust = trustIn(parents, role);
    if (missing === undefined || trust === null) {
      adopted.set(role, encodeSigned(role, file));
    } else if (countSigners(trust, signers) >= missing.threshold) {
      const own = await signMetadata(role, file.signed, { trust, signers });
      adopted.set(role, own);
    } else {
      lacking.push(missing);
    }
  }
  if (lacking.length > 0) {
    throw new ProposalError('proposal/unsigned', `proposal ${proposal.id} lacks signatures`, {
      hints: lacking.map(
        ({ role, by, threshold, signed, missing }) =>
          `${role} by the keys of ${by}: ${signed.length} of ${threshold}, missing ${missing.join(', ')}`,
      ),
    });
  }
  return adopted;
}

async function applyFirst(
  { root, id }: Proposal,
  adopted: Adopted,
  options: ApplyOptions,
): Promise<RepositoryState> {
  const { storage, now, expiry, signers } = options;
  if (root === null) throw new Error('a proposal without a base has a root');
  const repository = openRepository({ storage, now: () => now, expiry });
  try {
    await foundRepository({
      ...options,
      root: encodeSigned('root', root),
      adopted,
      signers,
      manifest: new TextEncoder().encode(compileManifest(EMPTY_PLAN, { published: [], now })),
    });
    return await repository.load();
  } catch (error) {
    if (!(error instanceof RepositoryError) || error.code !== 'repository/exists') throw error;
    const state = await repository.load();
    if (state.root.version === 1 && sameBytes(state.rootFile.signedBytes, root.signedBytes)) {
      return state;
    }
    throw new RepositoryError('repository/exists', `proposal ${id}: ${error.message}`, {
      cause: error,
    });
  }
}

async function applyNext(
  proposal: Proposal,
  adopted: Adopted,
  { storage, signers, now, expiry, ...patience }: ApplyOptions,
): Promise<RepositoryState> {
  const { base, root } = proposal;
  if (base === null) throw new Error('only a first proposal has no base');
  // People compared this root with their own when they signed, so it is trusted here.
  const trustedRoot = encodeEnvelope(base.root);
  const options = { storage, now: () => now, expiry, trustedRoot, ...patience };
  const state = await presentState(options, base.root.signed.version);
  const isRootDone = root !== null && sameBytes(state.rootFile.signedBytes, root.signedBytes);
  if (!isRootDone && !sameBytes(state.rootFile.signedBytes, base.root.signedBytes)) {
    throw new RepositoryError(
      'repository/moved-on',
      `the repository has root ${state.root.version} by now, and proposal ${proposal.id} was made on root ${base.root.signed.version}`,
      { hints: ['cancel it and propose the change again'] },
    );
  }
  const restart = new Set(isRootDone ? [] : proposal.restart);
  const edit: RepositoryEdit = {
    roles: new Map(restart.has(ROLLOUTS_ROLE) ? [[ROLLOUTS_ROLE, {}] as const] : []),
    adopted,
    restart,
    ...(root === null ? {} : { root: encodeSigned('root', root) }),
  };
  const lastRoot = isRootDone ? undefined : base.root.signed.version;
  return openRepository({ ...options, lastRoot }).commit({ signers, edit: () => edit });
}

/** What is published; under the root of the proposal's base if its own root is there and the rest is not yet. */
export async function presentState(
  options: Parameters<typeof openRepository>[0],
  baseRoot: number,
): Promise<RepositoryState> {
  try {
    return await openRepository(options).load();
  } catch (error) {
    if (!(error instanceof RepositoryError) || error.code !== 'repository/half-applied') {
      throw error;
    }
    return openRepository({ ...options, lastRoot: baseRoot }).load();
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
