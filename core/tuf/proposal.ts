import { createHash } from 'node:crypto';
import { z } from 'zod';
import { ExpectedError } from '../errors.ts';
import { formatInstant, parseInstant } from '../instant.ts';
import { parseJson } from '../json.ts';
import { canonicalBytes } from './canonical.ts';
import { encodeEnvelope, parseRoot, parseTargets } from './metadata.ts';
import type {
  Metadata,
  ReadMetadata,
  RootMetadata,
  Signature,
  TargetsMetadata,
} from './metadata.ts';

export type ProposalErrorCode =
  /** Not a proposal, or one whose parts contradict each other. */
  | 'proposal/format'
  /** Two files that are not the same proposal. */
  | 'proposal/other'
  /** The key signs nothing in this proposal. */
  | 'proposal/key'
  /** What is about to be signed is not what was reviewed. */
  | 'proposal/not-reviewed'
  /** Too few people have signed. */
  | 'proposal/unsigned'
  /** Applying it would break the repository for some client. */
  | 'proposal/problems'
  /** Another proposal is open; there is one at a time. */
  | 'proposal/open'
  /** No proposal is open, or another one than this. */
  | 'proposal/not-open'
  /** It would change nothing. */
  | 'proposal/nothing';

export class ProposalError extends ExpectedError<ProposalErrorCode> {}

type Files = {
  readonly root: ReadMetadata<RootMetadata>;
  readonly targets: ReadMetadata<TargetsMetadata>;
  /** By role; only those that the proposal changes. */
  readonly delegated: ReadonlyMap<string, ReadMetadata<TargetsMetadata>>;
};

/**
 * One change of who may sign what, on its way from person to person. It holds the metadata as it will be published, the
 * signatures so far, and what it replaces, so that it can be reviewed without the repository.
 */
export type Proposal = {
  readonly id: string;
  readonly createdAt: Date;
  readonly by: string;
  readonly reason: string;
  /** What is published now; null for the first metadata of a new repository. */
  readonly base: Files | null;
  /** Null stays as it is. */
  readonly root: ReadMetadata<RootMetadata> | null;
  readonly targets: ReadMetadata<TargetsMetadata> | null;
  readonly delegated: ReadonlyMap<string, ReadMetadata<TargetsMetadata>>;
  /** Roles whose versions start again, after a fast-forward attack. */
  readonly restart: readonly string[];
};

const SCHEMA = 'tidegate.proposal/1';
/** Root and targets at their largest, twice, and some roles. */
export const MAX_PROPOSAL_BYTES = 64 * 1024 * 1024;

const filesSchema = z.strictObject({
  root: z.unknown().optional(),
  targets: z.unknown().optional(),
  delegated: z.record(z.string(), z.unknown()),
});

const proposalSchema = z.strictObject({
  schema: z.literal(SCHEMA),
  id: z.string().regex(/^[a-z0-9]{6,40}$/),
  createdAt: z.string().transform((text) => parseInstant(text)),
  by: z.string().max(200),
  reason: z.string().max(10_000),
  base: filesSchema.nullable(),
  files: filesSchema,
  restart: z.array(z.string()).readonly(),
});

/** Reads a proposal file. Signatures are not judged here: `requirementsOf` counts those that hold. Throws ProposalError. */
export function parseProposal(bytes: Uint8Array): Proposal {
  const result = proposalSchema.safeParse(readJson(bytes));
  if (!result.success) throw formatError(z.prettifyError(result.error));
  const { base, files, id, createdAt, by, reason, restart } = result.data;
  const root = rootIn(files, 'proposed');
  const targets = targetsIn(files.targets, 'the proposed targets');
  if (base === null && (root === null || targets === null)) {
    throw formatError('a first repository needs a root and a targets role');
  }
  return {
    ...{ id, createdAt, by, reason, restart, root, targets },
    base: base === null ? null : baseOf(base),
    delegated: delegatedIn(files, 'proposed'),
  };
}

/** The bytes of a proposal file: JSON indented by two. */
export function formatProposal(proposal: Proposal): Uint8Array {
  const { id, createdAt, by, reason, base, root, targets, delegated, restart } = proposal;
  const json = {
    schema: SCHEMA,
    ...{ id, createdAt: formatInstant(createdAt), by, reason, restart },
    files: filesOf({ root, targets, delegated }),
    base: base === null ? null : filesOf(base),
  };
  return new TextEncoder().encode(`${JSON.stringify(json, null, 2)}\n`);
}

/**
 * SHA-256 in hex of everything in the proposal but its signatures: who has reviewed one file has reviewed every file with
 * the same fingerprint, whoever signed in between.
 */
export function fingerprintOf(proposal: Proposal): string {
  const { id, createdAt, by, reason, base, root, targets, delegated, restart } = proposal;
  const signedParts = (files: {
    readonly root: ReadMetadata<RootMetadata> | null;
    readonly targets: ReadMetadata<TargetsMetadata> | null;
    readonly delegated: Files['delegated'];
  }) => ({
    root: hashOf(files.root),
    targets: hashOf(files.targets),
    delegated: Object.fromEntries([...files.delegated].map(([role, file]) => [role, hashOf(file)])),
  });
  const content = {
    ...{ id, by, reason, restart, createdAt: formatInstant(createdAt) },
    base: base === null ? null : signedParts(base),
    files: signedParts({ root, targets, delegated }),
  };
  return createHash('sha256').update(canonicalBytes(content)).digest('hex');
}

/** The proposal with one more signature of a role; an earlier one of the same key is replaced. */
export function withSignature(proposal: Proposal, role: string, signature: Signature): Proposal {
  const sign = <S>(file: ReadMetadata<S>): ReadMetadata<S> => ({
    ...file,
    signatures: [
      ...file.signatures.filter(({ keyid }) => keyid !== signature.keyid),
      { keyid: signature.keyid, sig: signature.sig },
    ],
  });
  const { root, targets, delegated } = proposal;
  if (role === 'root' && root !== null) return { ...proposal, root: sign(root) };
  if (role === 'targets' && targets !== null) return { ...proposal, targets: sign(targets) };
  const file = delegated.get(role);
  if (file === undefined) {
    throw new ProposalError('proposal/key', `the proposal has no file of role ${role}`);
  }
  return { ...proposal, delegated: new Map([...delegated, [role, sign(file)]]) };
}

/** One proposal with the signatures of both copies. Throws `proposal/other` unless they are the same but for signatures. */
export function mergeProposals(one: Proposal, other: Proposal): Proposal {
  if (fingerprintOf(one) !== fingerprintOf(other)) {
    throw new ProposalError(
      'proposal/other',
      `the files hold different proposals: ${fingerprintOf(one)} and ${fingerprintOf(other)}`,
    );
  }
  return filesOfProposal(other).reduce(
    (merged, [role, { signatures }]) =>
      signatures.reduce((all, signature) => withSignature(all, role, signature), merged),
    one,
  );
}

/** The files that it publishes, root first. */
export function filesOfProposal({
  root,
  targets,
  delegated,
}: Pick<Proposal, 'root' | 'targets' | 'delegated'>): readonly (readonly [
  string,
  ReadMetadata<RootMetadata> | ReadMetadata<TargetsMetadata>,
])[] {
  return [
    ...(root === null ? [] : [['root', root] as const]),
    ...(targets === null ? [] : [['targets', targets] as const]),
    ...delegated,
  ];
}

function baseOf(base: z.infer<typeof filesSchema>): Files {
  const root = rootIn(base, 'present');
  const targets = targetsIn(base.targets, 'the present targets');
  if (root === null || targets === null) throw formatError('base must have root and targets');
  return { root, targets, delegated: delegatedIn(base, 'present') };
}

function rootIn({ root }: { readonly root?: unknown }, which: string) {
  return root === undefined ? null : parseRoot(encode(root), `the ${which} root`);
}

function targetsIn(envelope: unknown, file: string) {
  return envelope === undefined ? null : parseTargets(encode(envelope), file);
}

function delegatedIn({ delegated }: z.infer<typeof filesSchema>, which: string) {
  return new Map(
    Object.entries(delegated).map(([role, envelope]) => [
      role,
      parseTargets(encode(envelope), `the ${which} ${role}`),
    ]),
  );
}

function filesOf({
  root,
  targets,
  delegated,
}: {
  readonly root: ReadMetadata<RootMetadata> | null;
  readonly targets: ReadMetadata<TargetsMetadata> | null;
  readonly delegated: Files['delegated'];
}) {
  return {
    ...(root === null ? {} : { root: envelopeOf(root) }),
    ...(targets === null ? {} : { targets: envelopeOf(targets) }),
    delegated: Object.fromEntries([...delegated].map(([role, file]) => [role, envelopeOf(file)])),
  };
}

/** As it is published, so that what people read is what hosts will read. */
function envelopeOf(file: ReadMetadata<Metadata>): unknown {
  return JSON.parse(new TextDecoder().decode(encodeEnvelope(file)));
}

function hashOf(file: ReadMetadata<unknown> | null): string | null {
  return file === null ? null : createHash('sha256').update(file.signedBytes).digest('hex');
}

function encode(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

function readJson(bytes: Uint8Array): unknown {
  try {
    return parseJson(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new ProposalError('proposal/format', 'the proposal is not JSON', { cause });
  }
}

function formatError(message: string): ProposalError {
  return new ProposalError('proposal/format', `the proposal cannot be read: ${message}`);
}
