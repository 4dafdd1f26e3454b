import { Command } from 'commander';
import { openStorage } from '../../adapters/storage/open.ts';
import type { Io } from '../../adapters/terminal/io.ts';
import { formatBytes, startProgress } from '../../adapters/terminal/progress.ts';
import { ExpectedError } from '../../core/errors.ts';
import { print } from '../usage.ts';
import { verifyRepository } from '../verify.ts';

/** The repository can be followed, but not every target that it lists can be had. */
class TargetsError extends ExpectedError<'verify/targets'> {}

export function repoVerifyCommand(io: Io): Command {
  return new Command('verify')
    .description('follow the repository from root 1 as a host does, and check every listed target')
    .argument('<storage>', 'file:FOLDER, s3://BUCKET/PREFIX or http(s)://HOST/PATH')
    .option('--json', 'print the result as one line of JSON')
    .addHelpText('after', '\nExample:\n  tidegate repo verify http://127.0.0.1:8080/repo')
    .action((storage: string, options: { readonly json?: boolean }) =>
      verify(io, storage, options),
    );
}

async function verify(io: Io, url: string, { json }: { readonly json?: boolean }): Promise<void> {
  const { cwd, env } = io;
  await using storage = await openStorage(url, { access: 'read', cwd, env });
  const report = await verifyRepository(storage, {
    now: io.now(),
    listener: { begin: (label, totalBytes) => startProgress(io, label, totalBytes) },
  });
  print(io, json, report, [
    ...report.roles.map(
      ({ role, version, expires, targets }) =>
        `${role}: version ${version}, ${targets} targets, expires ${expires}`,
    ),
    ...report.failures.map(({ target, reason }) => `${target}: ${reason}`),
    `${report.targets - report.failures.length} of ${report.targets} targets are as listed (${formatBytes(report.bytes)})`,
  ]);
  if (report.failures.length > 0) {
    throw new TargetsError(
      'verify/targets',
      `${report.failures.length} of ${report.targets} targets are not as the metadata lists them`,
    );
  }
}
