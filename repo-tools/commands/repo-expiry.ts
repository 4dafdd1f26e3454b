import { Command } from 'commander';
import { openRepository } from '../../adapters/repository/repository.ts';
import type { Io } from '../../adapters/terminal/io.ts';
import { ExpectedError } from '../../core/errors.ts';
import { formatInstant } from '../../core/instant.ts';
import { roleExpiries } from '../../core/tuf/repository-metadata.ts';
import { openStorageFor } from '../open-storage.ts';
import { durationOption, print } from '../usage.ts';

/** At least one role expires within the time that was asked about. */
class ExpiryError extends ExpectedError<'expiry/due'> {}

type Options = { readonly failWithin: string; readonly json?: boolean };

export function repoExpiryCommand(io: Io): Command {
  return new Command('expiry')
    .description('when each role expires; fails if one does so soon, for a monitor or cron')
    .argument('<storage>', 'file:FOLDER, s3://BUCKET/PREFIX or http(s)://HOST/PATH')
    .option(
      '--fail-within <duration>',
      "exit 1 if a role expires within this time, as '3 days'",
      '0 days',
    )
    .option('--json', 'print the result as one line of JSON')
    .addHelpText(
      'after',
      "\nExample:\n  tidegate repo expiry s3://updates/repo --fail-within '3 days'",
    )
    .action((storage: string, options: Options) => expiry(io, storage, options));
}

/** As pubsys's check-repo-expirations: what expires at the limit exactly is too late already. */
async function expiry(io: Io, url: string, { failWithin, json }: Options): Promise<void> {
  const limitMs = durationOption('--fail-within', failWithin);
  await using storage = await openStorageFor(io, url, 'read');
  const now = io.now();
  const state = await openRepository({ storage, now: io.now }).load();
  const roles = roleExpiries(state, now).map(({ role, version, expires, isExpired }) => ({
    role,
    version,
    expires: formatInstant(expires),
    isExpired,
    isDue: expires.getTime() - now.getTime() <= limitMs,
  }));
  print(io, json, { roles }, [
    ...roles.map(
      ({ role, version, expires, isExpired, isDue }) =>
        `${role}: version ${version} expires ${expires}${isExpired ? ', EXPIRED' : isDue ? ', due' : ''}`,
    ),
  ]);
  const due = roles.filter(({ isDue }) => isDue).map(({ role }) => role);
  if (due.length > 0) {
    throw new ExpiryError('expiry/due', `within ${failWithin} expire: ${due.join(', ')}`, {
      hints: [
        'tidegate repo refresh signs online roles anew; root and targets need their own keys',
      ],
    });
  }
}
