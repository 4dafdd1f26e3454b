import type { Command } from 'commander';
import { openRepository } from '../../adapters/repository/repository.ts';
import type { Repository } from '../../adapters/repository/repository.ts';
import type { Io } from '../../adapters/terminal/io.ts';
import { formatBytes } from '../../adapters/terminal/progress.ts';
import { expiryPolicyOption } from '../expiry-policy.ts';
import { openSigners } from '../open-signers.ts';
import { openStorageFor } from '../open-storage.ts';
import type { Edited, EditMode, ReleaseEdit } from '../release-edit.ts';
import { UsageError } from '../usage.ts';

export type ReleaseEditOptions = {
  readonly variant: string;
  readonly arch: string;
  readonly version: string;
  readonly reason: string;
  readonly releaseKey?: readonly string[];
  readonly onlineKey?: readonly string[];
  readonly expiryPolicy?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
};

/** Adds the options of the commands that change a published release. */
export function addReleaseEditOptions(command: Command): Command {
  return command
    .argument('<storage>', 'file:FOLDER or s3://BUCKET/PREFIX')
    .requiredOption('--variant <name>', 'variant of the release')
    .requiredOption('--arch <name>', 'arch of the release')
    .requiredOption('--version <version>', 'version of the release')
    .requiredOption('--reason <text>', 'why, for those who read the document later')
    .option('--release-key <source...>', 'keys of the releases role')
    .option('--online-key <source...>', 'keys of rollouts, snapshot and timestamp')
    .option('--expiry-policy <file>', 'TOML with timestamp_expiration and the like')
    .option('--dry-run', 'tell what would change and who would sign; needs no key')
    .option('--json', 'print the result as one line of JSON');
}

/** Opens storage and keys for the change; `--dry-run` opens no key and no write access. */
export async function withRelease<T>(
  io: Io,
  url: string,
  options: ReleaseEditOptions,
  change: (repository: Repository, mode: EditMode) => Promise<T>,
): Promise<T> {
  const { releaseKey = [], onlineKey = [], dryRun = false } = options;
  if (options.reason.trim() === '') throw new UsageError('usage/option', '--reason is empty');
  if (!dryRun && (releaseKey.length === 0 || onlineKey.length === 0)) {
    throw new UsageError('usage/option', 'give --release-key and --online-key, or --dry-run');
  }
  const expiry = await expiryPolicyOption(io, options.expiryPolicy);
  await using storage = await openStorageFor(io, url, dryRun ? 'read' : 'write');
  const repository = openRepository({ storage, now: io.now, expiry });
  if (dryRun) return change(repository, { kind: 'dry-run' });
  await using keys = new AsyncDisposableStack();
  const signers = await openSigners(io, keys, [...releaseKey, ...onlineKey]);
  return change(repository, { kind: 'commit', signers });
}

/** Who signs, and what is sent; for a dry run in words, for machines always. */
export function editLines({ needed, uploadBytes, isWritten }: Edited<ReleaseEdit>) {
  if (isWritten || needed.length === 0) return [];
  return [
    ...needed.map(
      ({ role, threshold, keyIds }) =>
        `  signs ${role}: ${threshold} of ${keyIds.map((id) => id.slice(0, 16)).join(', ')}`,
    ),
    `  uploads ${formatBytes(uploadBytes)} beside the metadata`,
    'dry run: nothing was written',
  ];
}

export function warn(io: Io, warnings: readonly string[]): void {
  for (const warning of warnings) io.stderr.write(`tidegate: warning: ${warning}\n`);
}
