import { Command } from 'commander';
import { openRepository } from '../../adapters/repository/repository.ts';
import type { Io } from '../../adapters/terminal/io.ts';
import { printDryRun } from '../dry-run.ts';
import { expiryPolicyOption } from '../expiry-policy.ts';
import { openSigners } from '../open-signers.ts';
import { openStorageFor } from '../open-storage.ts';
import { planRefresh, refreshRepository } from '../refresh.ts';
import { print, UsageError } from '../usage.ts';

type Options = {
  readonly key?: readonly string[];
  readonly expiryPolicy?: string;
  readonly onlyIfDue?: boolean;
  readonly allowEarlierExpiry?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
};

export function repoRefreshCommand(io: Io): Command {
  return new Command('refresh')
    .description('sign roles anew before they expire, with the content that they have')
    .argument('<storage>', 'file:FOLDER or s3://BUCKET/PREFIX')
    .option('--key <source...>', 'keys of snapshot and timestamp, and of more roles to renew')
    .option('--expiry-policy <file>', 'TOML with timestamp_expiration and the like')
    .option(
      '--allow-earlier-expiry',
      'DANGER: also if the new timestamp expires long before the present one; is the clock right?',
    )
    .option('--only-if-due', 'only what is due by the policy, so that cron may call it often')
    .option('--dry-run', 'print what would be signed; open no key, write nothing')
    .option('--json', 'print the result as one line of JSON')
    .addHelpText(
      'after',
      '\nExample:\n  tidegate repo refresh s3://updates/repo --key file:keys/online.pem --only-if-due',
    )
    .action((storage: string, options: Options) => refresh(io, storage, options));
}

async function refresh(io: Io, url: string, options: Options): Promise<void> {
  const policy = await expiryPolicyOption(io, options.expiryPolicy);
  const isOnlyIfDue = options.onlyIfDue === true;
  if (options.dryRun === true) {
    await using read = await openStorageFor(io, url, 'read');
    const repository = openRepository({ storage: read, now: io.now, expiry: policy });
    const plan = await planRefresh(repository, { now: io.now(), policy, isOnlyIfDue });
    printDryRun(io, options.json, [plan]);
    return;
  }
  if (options.key === undefined) {
    throw new UsageError('usage/option', 'give --key, or --dry-run');
  }
  await using storage = await openStorageFor(io, url, 'write');
  await using keys = new AsyncDisposableStack();
  const signers = await openSigners(io, keys, options.key);
  const { renewed, left } = await refreshRepository(
    openRepository({
      storage,
      now: io.now,
      expiry: policy,
      allowEarlierExpiry: options.allowEarlierExpiry,
    }),
    { signers, now: io.now(), policy, isOnlyIfDue },
  );
  print(io, options.json, { renewed, left }, [
    ...(renewed.length === 0 ? ['nothing to renew'] : []),
    ...renewed.map(
      ({ role, version, expires }) => `${role}: version ${version} expires ${expires}`,
    ),
    ...left.map((role) => `${role}: due, and its keys were not given`),
  ]);
}
