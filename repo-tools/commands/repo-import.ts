import { resolve } from 'node:path';
import { Command } from 'commander';
import { openRepository } from '../../adapters/repository/repository.ts';
import type { Io } from '../../adapters/terminal/io.ts';
import { formatBytes, startProgress } from '../../adapters/terminal/progress.ts';
import type { Difference } from '../../core/import/difference.ts';
import { isReleaseVersion } from '../../core/tuf/names.ts';
import { isVersion } from '../../core/version.ts';
import { expiryPolicyOption } from '../expiry-policy.ts';
import { Destination } from '../import/destination.ts';
import { importRepository } from '../import/import.ts';
import type { ImportOrder } from '../import/import.ts';
import type { SourceLocation } from '../import/layout.ts';
import type { ImportedRelease, ImportReport } from '../import/report.ts';
import { openSigners } from '../open-signers.ts';
import { openStorageFor } from '../open-storage.ts';
import { print, readOptionBytes, UsageError } from '../usage.ts';
import { actor } from './rollout-target.ts';

type Options = {
  readonly from?: string;
  readonly metadataUrl?: string;
  readonly targetsUrl?: string;
  readonly root: string;
  readonly variant?: readonly string[];
  readonly arch?: readonly string[];
  readonly version?: readonly string[];
  readonly newest?: string;
  readonly mapVersion?: readonly string[];
  readonly rollbackTo: string;
  readonly migrations: string;
  readonly releaseKey?: readonly string[];
  readonly onlineKey?: readonly string[];
  readonly expiryPolicy?: string;
  readonly unsafeAllowExpired?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
};

export function repoImportCommand(io: Io): Command {
  return new Command('import')
    .description("make releases and rollouts of a Bottlerocket repository's updates")
    .argument('<storage>', 'file:FOLDER or s3://BUCKET/PREFIX, made by repo init')
    .option('--from <url-or-folder>', 'the repository, as pubsys or tuftool lay it out')
    .option('--metadata-url <url-or-folder>', 'where its metadata is, if not with the targets')
    .option('--targets-url <url-or-folder>', 'where its targets are')
    .requiredOption('--root <file>', 'the root of the source that is trusted')
    .option('--variant <name...>', 'only these variants; needed where folders cannot be listed')
    .option('--arch <name...>', 'only these archs')
    .option('--version <version...>', 'only these versions')
    .option('--newest <number>', 'only that many of the newest versions of each variant and arch')
    .option('--map-version <old=new...>', 'another name for a version that cannot be one here')
    .option('--rollback-to <none|listed>', 'where hosts may be sent back to', 'none')
    .option('--migrations <copy|drop>', 'what becomes of migrations', 'copy')
    .option('--release-key <source...>', 'keys of the releases roles')
    .option('--online-key <source...>', 'keys of rollouts, snapshot and timestamp')
    .option('--expiry-policy <file>', 'TOML with timestamp_expiration and the like')
    .option('--unsafe-allow-expired', 'import a source that may be an old state of itself')
    .option('--dry-run', 'verify and report; write nothing and open no key')
    .option('--json', 'print the report as one line of JSON')
    .addHelpText(
      'after',
      '\nExample:\n  tidegate repo import file:repo --from https://updates.example.com/2020-07-07 --root root.json \\\n' +
        '    --targets-url https://updates.example.com/targets --variant aws-k8s-1.32 --arch x86_64 \\\n' +
        '    --release-key file:keys/release.pem --online-key file:keys/online.pem',
    )
    .action((storage: string, options: Options) => run(io, storage, options));
}

async function run(io: Io, url: string, options: Options): Promise<void> {
  const order = await orderOf(io, options);
  const { releaseKey = [], onlineKey = [] } = options;
  if (!order.isDryRun && (releaseKey.length === 0 || onlineKey.length === 0)) {
    throw new UsageError(
      'usage/option',
      'an import needs --release-key and --online-key; --dry-run needs none',
    );
  }
  const expiry = await expiryPolicyOption(io, options.expiryPolicy);
  await using storage = await openStorageFor(io, url, order.isDryRun ? 'read' : 'write');
  await using keys = new AsyncDisposableStack();
  const sources = order.isDryRun ? [] : [...releaseKey, ...onlineKey];
  const signers = await openSigners(io, keys, sources);
  const repository = openRepository({ storage, now: io.now, expiry });
  const report = await importRepository(order, {
    destination: await Destination.open(repository, signers),
    now: io.now(),
    by: actor(io),
    begin: (label, totalBytes) => startProgress(io, label, totalBytes),
  });
  print(io, options.json, report, linesOf(report));
}

async function orderOf(io: Io, options: Options): Promise<ImportOrder> {
  const location = locationOf(io, options);
  return {
    location,
    root: await readOptionBytes(io, '--root', options.root),
    unsafeAllowExpired: options.unsafeAllowExpired === true,
    versions: new Map((options.mapVersion ?? []).map(mapVersionOption)),
    only: options.version ?? [],
    newest: options.newest === undefined ? null : newestOption(options.newest),
    rollbackTo: oneOf('--rollback-to', ['none', 'listed'] as const, options.rollbackTo),
    migrations: oneOf('--migrations', ['copy', 'drop'] as const, options.migrations),
    isDryRun: options.dryRun === true,
  };
}

function locationOf(io: Io, options: Options): SourceLocation {
  const { from, metadataUrl, targetsUrl, variant = [], arch = [] } = options;
  if (from === undefined && (metadataUrl === undefined || targetsUrl === undefined)) {
    throw new UsageError('usage/option', 'give --from, or --metadata-url and --targets-url');
  }
  const absolute = (text: string | undefined) => {
    if (text === undefined) return null;
    return /^https?:/.test(text) ? text : resolve(io.cwd, text.replace(/^file:/, ''));
  };
  return {
    from: absolute(from),
    metadataUrl: absolute(metadataUrl),
    targetsUrl: absolute(targetsUrl),
    variants: variant,
    archs: arch,
  };
}

function mapVersionOption(text: string): readonly [string, string] {
  const [, from, to] = /^([^=]+)=([^=]+)$/.exec(text) ?? [];
  if (from !== undefined && to !== undefined && isVersion(from) && isReleaseVersion(to)) {
    return [from, to];
  }
  throw new UsageError(
    'usage/option',
    `--map-version must be like 1.2.3+a=1.2.3-a, the new one without build metadata, got '${text}'`,
  );
}

function newestOption(text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1) return count;
  throw new UsageError('usage/option', `--newest must be a whole number from 1, got '${text}'`);
}

function oneOf<Choice extends string>(
  name: string,
  choices: readonly Choice[],
  text: string,
): Choice {
  const found = choices.find((choice) => choice === text);
  if (found !== undefined) return found;
  throw new UsageError('usage/option', `${name} must be ${choices.join(' or ')}, got '${text}'`);
}

function linesOf({ dryRun, sources, releases, differences, bytes }: ImportReport) {
  const copied = dryRun ? 'would be copied' : 'copied';
  return [
    ...sources.map(
      ({ metadata, roles }) =>
        `followed ${metadata}: ${roles.map(({ role, version }) => `${role} ${version}`).join(', ')}`,
    ),
    ...releases.map(releaseLine),
    ...differences.map(differenceLine),
    `${releases.length} releases, ${differences.length} differences, ${formatBytes(bytes)} ${copied}`,
  ];
}

function releaseLine({ variant, arch, version, outcome, bytes, rollout }: ImportedRelease): string {
  const what = {
    imported: `imported, ${formatBytes(bytes)}`,
    'already-imported': 'is there already',
    'to-import': `would be imported, ${formatBytes(bytes)}`,
  }[outcome];
  const tide =
    rollout === null
      ? 'no rollout'
      : `rollout ${rollout.rolloutId} at ${rollout.tide} of 2048 seeds`;
  return `${variant} ${arch} ${version}: ${what}; ${tide}`;
}

function differenceLine({ platform, version, text }: Difference): string {
  const where = platform === null ? 'source' : `${platform.variant} ${platform.arch}`;
  return `difference: ${where}${version === null ? '' : ` ${version}`}: ${text}`;
}
