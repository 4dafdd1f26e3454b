import { resolve } from 'node:path';
import { Command } from 'commander';
import { openFilesystemStorage } from '../../adapters/storage/filesystem.ts';
import type { Io } from '../../adapters/terminal/io.ts';
import { formatBytes, startProgress } from '../../adapters/terminal/progress.ts';
import { printable } from '../../core/tuf/lint/raw.ts';
import type { RawRepository } from '../../core/tuf/lint/raw.ts';
import { openStorageFor } from '../open-storage.ts';
import { durationOption, print, UsageError } from '../usage.ts';
import { verifyRepository } from '../verify.ts';
import type { VerifyReport } from '../verify.ts';
import { VerifyError } from '../verify/finding.ts';
import { readCopy } from '../verify/since.ts';

type Options = {
  readonly since?: string;
  readonly save?: string;
  readonly expiryHorizon: string;
  readonly metadataOnly?: boolean;
  readonly profile: boolean;
  readonly json?: boolean;
};

const EXIT_CODES = `
Exit codes, of which the most serious one wins:
  70 rollback     64 first root invalid    65 metadata invalid  66 version mismatch
  68 expired      69 metadata missing      72 target differs    71 target missing
  67 transport    73 about to expire`;

export function repoVerifyCommand(io: Io): Command {
  return new Command('verify')
    .description('look at the repository as hosts do, from every root, and check all that it lists')
    .argument('<storage>', 'file:FOLDER, s3://BUCKET/PREFIX or http(s)://HOST/PATH')
    .option('--since <folder>', 'trusted copy, made by --save, behind which nothing may go back')
    .option('--save <folder>', 'keep the metadata there, if hosts can trust it')
    .option('--expiry-horizon <duration>', 'what expires within this time is an error', '3 days')
    .option('--metadata-only', 'do not fetch the targets')
    .option('--no-profile', 'only what keeps hosts from updating, not every rule of repo lint')
    .option('--json', 'print the result as one line of JSON')
    .addHelpText('after', EXIT_CODES)
    .addHelpText(
      'after',
      '\nExample:\n  tidegate repo verify https://updates.example.com/repo --since copy --save copy',
    )
    .action((storage: string, options: Options) => verify(io, storage, options));
}

async function verify(io: Io, url: string, options: Options): Promise<void> {
  const { since, save, expiryHorizon, metadataOnly = false, profile, json } = options;
  const horizonMs = durationOption('--expiry-horizon', expiryHorizon);
  const trusted = since === undefined ? null : await trustedCopy(resolve(io.cwd, since), since);
  await using storage = await openStorageFor(io, url, 'read');
  await using copy =
    save === undefined
      ? null
      : await openFilesystemStorage({ folder: resolve(io.cwd, save), access: 'write' });
  const report = await verifyRepository(storage, {
    now: io.now(),
    listener: { begin: (label, totalBytes) => startProgress(io, label, totalBytes) },
    horizonMs,
    metadataOnly,
    profile,
    since: trusted,
    save: copy,
  });
  const errors = report.findings.filter(({ severity }) => severity === 'error');
  const warnings = report.findings.length - errors.length;
  print(io, json, { ...report, errors: errors.length, warnings }, linesOf(report));
  const [worst] = errors;
  if (worst !== undefined) {
    const more = errors.length === 1 ? '' : ` (and ${errors.length - 1} more errors)`;
    throw new VerifyError(`verify/${worst.kind}`, `${worst.where}: ${worst.what}${more}`, {
      hints: save === undefined || report.isSaved ? [] : [`the copy in ${save} is left as it was`],
    });
  }
}

async function trustedCopy(folder: string, name: string): Promise<RawRepository> {
  await using storage = await openFilesystemStorage({ folder, access: 'read' });
  const copy = await readCopy(storage);
  if (copy !== null) return copy;
  throw new UsageError('usage/file', `--since: there is no copy of a repository in ${name}`, {
    hints: [`the first one is made by --save ${name} alone`],
  });
}

function linesOf(report: VerifyReport): readonly string[] {
  const { roots, roles, findings, targets, failures, bytes, areTargetsChecked } = report;
  const size = formatBytes(bytes);
  return [
    `root: versions 1 to ${roots}, each a place to start`,
    ...roles.map(
      ({ role, version, expires, targets: count }) =>
        `${printable(role)}: version ${version}, ${count} targets, expires ${printable(expires ?? '')}`,
    ),
    ...findings.map(({ severity, kind, where, what }) => `${severity} ${kind}: ${where}: ${what}`),
    areTargetsChecked
      ? `${targets - failures.length} of ${targets} targets are as listed (${size})`
      : `${targets} targets are listed (${size}), none was fetched`,
  ];
}
