import { Command } from 'commander';
import { initRepository } from '../../adapters/repository/init.ts';
import { metadataObject } from '../../adapters/repository/objects.ts';
import { openSigner } from '../../adapters/signing/open.ts';
import type { Signer } from '../../adapters/signing/signer.ts';
import { openStorage } from '../../adapters/storage/open.ts';
import type { Io } from '../../adapters/terminal/io.ts';
import { compileManifest } from '../../core/compile.ts';
import type { KeyHolders } from '../../core/tuf/edit.ts';
import type { Platform } from '../../core/tuf/names.ts';
import { expiryPolicyOption } from '../expiry-policy.ts';
import { print, UsageError } from '../usage.ts';

type Options = {
  readonly rootKey?: readonly string[];
  readonly rootThreshold?: string;
  readonly targetsKey?: string;
  readonly onlineKey?: string;
  readonly singleKey?: string;
  readonly releaseKey: readonly string[];
  readonly expiryPolicy?: string;
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
    .option('--expiry-policy <file>', 'TOML with root_expiration and the like')
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
  const { cwd, env } = io;
  const sources = sourcesOf(options);
  const threshold = thresholdOf(options.rootThreshold, sources.root.length);
  const orders = options.releaseKey.map(releaseKeyOption);
  const expiry = await expiryPolicyOption(io, options.expiryPolicy);
  await using keys = new AsyncDisposableStack();
  const open = async (source: string) => keys.use(await openSigner(source, io));
  const root = [];
  for (const source of sources.root) root.push(await open(source));
  const targets = await open(sources.targets);
  const online = await open(sources.online);
  const releases = [];
  for (const { source, ...platform } of orders) {
    releases.push({ platform, signer: await open(source) });
  }
  await using storage = await openStorage(url, { access: 'write', cwd, env });
  const now = io.now();
  await initRepository({
    storage,
    now,
    expiry,
    root: { keys: root.map(({ key }) => key), threshold },
    targets: { keys: [targets.key], threshold: 1 },
    online: { keys: [online.key], threshold: 1 },
    releases: holdersOf(releases),
    manifest: new TextEncoder().encode(compileManifest([], { published: [], now })),
    signers: [...root, targets, online, ...releases.map(({ signer }) => signer)],
  });
  const trustAnchor = metadataObject('root', 1);
  const rootKeys = root.map(({ keyId }) => keyId);
  print(io, options.json, { storage: storage.url, trustAnchor, rootKeys, threshold }, [
    `made a repository in ${storage.url}`,
    `root: ${threshold} of ${rootKeys.length} keys must sign`,
    ...rootKeys.map((keyId) => `  ${keyId}`),
    `hosts trust ${trustAnchor}: put it into their image`,
  ]);
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

/** Several keys of one variant and arch share its role; each of them may sign alone. */
function holdersOf(
  releases: readonly { readonly platform: Platform; readonly signer: Signer }[],
): readonly (Platform & KeyHolders)[] {
  const platforms = Map.groupBy(releases, ({ platform }) => `${platform.variant} ${platform.arch}`);
  return [...platforms.values()].flatMap((members) => {
    const [first] = members;
    const keys = members.map(({ signer }) => signer.key);
    return first === undefined ? [] : [{ ...first.platform, keys, threshold: 1 }];
  });
}
