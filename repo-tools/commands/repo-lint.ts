import { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { ExpectedError } from '../../core/errors.ts';
import { LINT_CHECKS } from '../../core/tuf/lint.ts';
import type { LintFinding } from '../../core/tuf/lint/check.ts';
import { lintStorage } from '../lint.ts';
import { openStorageFor } from '../open-storage.ts';
import { print, readOptionBytes } from '../usage.ts';

/** Some client cannot read the repository, or reads it differently. */
class LintError extends ExpectedError<'lint/findings'> {}

type Options = { readonly root?: string; readonly json?: boolean };

export function repoLintCommand(io: Io): Command {
  return new Command('lint')
    .description('check that every TUF client reads the metadata, in the same way')
    .argument('<storage>', 'file:FOLDER, s3://BUCKET/PREFIX or http(s)://HOST/PATH')
    .option('--root <file>', 'root metadata to begin with, instead of 1.root.json')
    .option('--json', 'print the result as one line of JSON')
    .addHelpText('after', '\nExample:\n  tidegate repo lint https://updates.example.com/repo')
    .action((storage: string, options: Options) => lintRepository(io, storage, options));
}

async function lintRepository(io: Io, url: string, { root, json }: Options): Promise<void> {
  const trusted = root === undefined ? {} : { root: await readOptionBytes(io, '--root', root) };
  await using storage = await openStorageFor(io, url, 'read');
  const findings = await lintStorage(storage, { now: io.now(), ...trusted });
  const errors = findings.filter(({ severity }) => severity === 'error').length;
  const warnings = findings.length - errors;
  print(io, json, { checks: LINT_CHECKS.length, errors, warnings, findings }, [
    ...findings.flatMap(findingLines),
    `${LINT_CHECKS.length} checks, errors: ${errors}, warnings: ${warnings}`,
  ]);
  if (errors > 0) {
    throw new LintError('lint/findings', `${url} breaks the profile, errors: ${errors}`);
  }
}

/** What and where, then why and who. */
export function findingLines({
  check,
  severity,
  where,
  what,
  reason,
  clients,
}: LintFinding): readonly string[] {
  const who = clients.length === 0 ? '' : ` (${clients.join(', ')})`;
  return [`${severity} ${check}: ${where}: ${what}`, `  ${reason}${who}`];
}
