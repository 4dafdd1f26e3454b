import { Command } from 'commander';
import { isSameFirst, unsigned } from '../../adapters/repository/draft-proposal.ts';
import { firstMetadata, initRepository } from '../../adapters/repository/init.ts';
import type { InitOptions } from '../../adapters/repository/init.ts';
import { metadataObject } from '../../adapters/repository/objects.ts';
import {
  closeProposal,
  findOpenProposal,
  openProposal,
} from '../../adapters/repository/open-proposal.ts';
import { newRolloutId } from '../../adapters/repository/rollouts.ts';
import { openPublicKey, openSigner } from '../../adapters/signing/open.ts';
import type { Signer } from '../../adapters/signing/signer.ts';
import type { Storage } from '../../adapters/storage/storage.ts';
import type { Io } from '../../adapters/terminal/io.ts';
import { compileManifest } from '../../core/compile.ts';
import { EMPTY_PLAN } from '../../core/plan.ts';
import { keyId } from '../../core/tuf/keys.ts';
import type { Key } from '../../core/tuf/keys.ts';
import type { ExpiryPolicy } from '../../core/tuf/lifetimes.ts';
import type { Platform } from '../../core/tuf/names.ts';
import type { Proposal } from '../../core/tuf/proposal.ts';
import { reviewOf } from '../../core/tuf/review.ts';
import { ensureProposalFile } from '../ceremony/proposal-file.ts';
import { reviewLines } from '../ceremony/review-text.ts';
import { expiryPolicyOption } from '../expiry-policy.ts';
import { openStorageFor } from '../open-storage.ts';
import { print, UsageError } from '../usage.ts';
import { actor } from './rollout-target.ts';

type Options = {
  readonly rootKey?: readonly string[];
  readonly rootThreshold?: string;
  readonly targetsKey?: string;
  readonly onlineKey?: string;
  readonly singleKey?: string;
  readonly releaseKey: readonly string[];
  readonly out?: string;
  readonly expiryPolicy?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
};

export function repoInitCommand(io: Io): Command {
  return new Command('init')
    .description('make a repository: its first root, its delegations, an empty manifest')
    .argument('<storage>', 'file:FOLDER or s3://BUCKET/PREFIX, empty')
    .option('--root-key <source...>', 'keys of the root role')
    .option('--root-threshold <number>', 'how many root keys must sign (default: all)')
    .option('--targets-key <source>', 'key of the targets role, which delegates')
    .option('--online-key <source>', 'key of snapshot, timestamp and rollouts')
    .option(
      '--single-key <source>',
      'one key for root, targets and online roles; whoever steals it owns every host',
    )
    .requiredOption(
      '--release-key <variant:arch=source...>',
      'key that signs releases of a variant',
    )
    .option(
      '--out <file>',
      'several people: write a proposal that each of them signs; public keys are enough',
    )
    .option('--expiry-policy <file>', 'TOML with root_expiration and the like')
    .option('--dry-run', 'print what would be made, from public keys; write nothing')
    .option('--json', 'print the result as one line of JSON')
    .addHelpText(
      'after',
      '\nExample:\n  tidegate repo init file:repo --root-key file:keys/root1.pem --root-key file:keys/root2.pem \\\n' +
        '    --root-threshold 2 --targets-key file:keys/targets.pem --online-key file:keys/online.pem \\\n' +
        "    --release-key 'aws-k8s-1.32:x86_64=file:keys/release.pem'",
    )
    .action((storage: string, options: Options) => init(io, storage, options));
}

async function init(io: Io, url: string, options: Options): Promise<void> {
  const order = orderOf(options);
  const expiry = await expiryPolicyOption(io, options.expiryPolicy);
  if (options.dryRun === true) {
    const proposal = await firstProposal(io, order, expiry);
    const review = reviewOf(proposal, io.now());
    print(io, options.json, { dryRun: true, ...review }, reviewLines(proposal, review));
    return;
  }
  await using storage = await openStorageFor(io, url, 'write');
  if (options.out === undefined) await initNow(io, storage, order, { ...options, expiry });
  else await initByProposal(io, storage, order, { ...options, expiry, out: options.out });
}

type Settings = Pick<Options, 'json'> & { readonly expiry: ExpiryPolicy };

/** All keys are at hand: the repository is made at once. */
async function initNow(
  io: Io,
  storage: Storage,
  order: InitOrder,
  { json, expiry }: Settings,
): Promise<void> {
  await using keys = new AsyncDisposableStack();
  const signers: Signer[] = [];
  const holders = await holdersOf(order, async (source) => {
    const signer = keys.use(await openSigner(source, io));
    signers.push(signer);
    return signer.key;
  });
  const now = io.now();
  const manifest = new TextEncoder().encode(compileManifest(EMPTY_PLAN, { published: [], now }));
  await initRepository({ storage, now, expiry, ...holders, manifest, signers });
  const trustAnchor = metadataObject('root', 1);
  const { threshold } = holders.root;
  const rootKeys = holders.root.keys.map(keyId);
  print(io, json, { storage: storage.url, trustAnchor, rootKeys, threshold }, [
    `made a repository in ${storage.url}`,
    `root: ${threshold} of ${rootKeys.length} keys must sign`,
    ...rootKeys.map((id) => `  ${id}`),
    `hosts trust ${trustAnchor}: put it into their image`,
  ]);
}

/** Nobody has all keys: the first metadata is a proposal like every later change. */
async function initByProposal(
  io: Io,
  storage: Storage,
  order: InitOrder,
  { out, json, expiry }: Settings & { readonly out: string },
): Promise<void> {
  const draft = await firstProposal(io, order, expiry);
  const open = await findOpenProposal(storage);
  // Left by the same command when it was interrupted: there is one at a time.
  const isAgain = open !== null && isSameFirst(open, draft);
  const proposal = isAgain ? open : draft;
  const review = reviewOf(proposal, io.now());
  await openProposal(storage, proposal);
  await ensureProposalFile(io, out, proposal).catch(async (error: unknown) => {
    if (!isAgain) await closeProposal(storage);
    throw error;
  });
  print(io, json, { id: proposal.id, isApplied: false, file: out, ...review }, [
    ...reviewLines(proposal, review),
    `wrote ${out}: have it signed with tidegate repo root sign --in ${out}`,
  ]);
}

async function firstProposal(io: Io, order: InitOrder, expiry: ExpiryPolicy): Promise<Proposal> {
  const holders = await holdersOf(order, (source) => openPublicKey(source, io));
  const now = io.now();
  const { root, targets, releases } = firstMetadata({ now, expiry, ...holders });
  return {
    id: newRolloutId(),
    createdAt: now,
    by: actor(io),
    reason: 'a new repository',
    base: null,
    root: unsigned(root),
    targets: unsigned(targets),
    delegated: new Map([...releases].map(([role, metadata]) => [role, unsigned(metadata)])),
    restart: [],
  };
}

type InitOrder = {
  readonly sources: Sources;
  readonly threshold: number;
  readonly releases: readonly (Platform & { readonly source: string })[];
};

function orderOf(options: Options): InitOrder {
  const sources = sourcesOf(options);
  return {
    sources,
    threshold: thresholdOf(options.rootThreshold, sources.root.length),
    releases: options.releaseKey.map(releaseKeyOption),
  };
}

/** Several keys of one variant and arch share its role; each of them may sign alone. */
async function holdersOf(
  { sources, threshold, releases }: InitOrder,
  open: (source: string) => Promise<Key>,
): Promise<Pick<InitOptions, 'root' | 'targets' | 'online' | 'releases'>> {
  const rootKeys = [];
  for (const source of sources.root) rootKeys.push(await open(source));
  const targets = await open(sources.targets);
  const online = await open(sources.online);
  const platforms = new Map<string, Platform & { readonly keys: Key[] }>();
  for (const { source, variant, arch } of releases) {
    const name = `${variant}:${arch}`;
    const entry = platforms.get(name) ?? { variant, arch, keys: [] };
    entry.keys.push(await open(source));
    platforms.set(name, entry);
  }
  return {
    root: { keys: rootKeys, threshold },
    targets: { keys: [targets], threshold: 1 },
    online: { keys: [online], threshold: 1 },
    releases: [...platforms.values()].map((platform) => ({ ...platform, threshold: 1 })),
  };
}

type Sources = {
  readonly root: readonly string[];
  readonly targets: string;
  readonly online: string;
};

function sourcesOf({ singleKey, rootKey, targetsKey, onlineKey }: Options): Sources {
  if (singleKey !== undefined) {
    if (rootKey !== undefined || targetsKey !== undefined || onlineKey !== undefined) {
      throw new UsageError(
        'usage/option',
        '--single-key stands for --root-key, --targets-key and --online-key; give it alone',
      );
    }
    return { root: [singleKey], targets: singleKey, online: singleKey };
  }
  if (rootKey === undefined || targetsKey === undefined || onlineKey === undefined) {
    throw new UsageError(
      'usage/option',
      'give --root-key, --targets-key and --online-key, or --single-key',
    );
  }
  return { root: rootKey, targets: targetsKey, online: onlineKey };
}

function thresholdOf(text: string | undefined, keys: number): number {
  const threshold = text === undefined ? keys : Number(text);
  if (Number.isInteger(threshold) && threshold >= 1 && threshold <= keys) return threshold;
  throw new UsageError(
    'usage/option',
    `--root-threshold must be 1 to ${keys}, the number of root keys, got '${text}'`,
  );
}

function releaseKeyOption(text: string): Platform & { readonly source: string } {
  const [, variant, arch, source] = /^([^:=]+):([^:=]+)=(.+)$/.exec(text) ?? [];
  if (variant === undefined || arch === undefined || source === undefined) {
    throw new UsageError(
      'usage/option',
      `--release-key must be like aws-k8s-1.32:x86_64=file:release.pem, got '${text}'`,
    );
  }
  return { variant, arch, source };
}
