import { Command } from 'commander';
import { openRepository } from '../../adapters/repository/repository.ts';
import type { Io } from '../../adapters/terminal/io.ts';
import { formatBytes } from '../../adapters/terminal/progress.ts';
import { collectGarbage } from '../gc.ts';
import { openStorageFor } from '../open-storage.ts';
import { durationOption, print, UsageError } from '../usage.ts';

type Options = { readonly keepFor: string; readonly dryRun?: boolean; readonly json?: boolean };

/** An upload of a publisher at work may take hours, and clocks differ. */
const SHORTEST_MS = 24 * 60 * 60 * 1000;

export function repoGcCommand(io: Io): Command {
  return new Command('gc')
    .description('remove what no host can ask for any more; never a root')
    .argument('<storage>', 'file:FOLDER or s3://BUCKET/PREFIX')
    .option(
      '--keep-for <duration>',
      'keep what was put or superseded within this time, at least 1 day',
      '30 days',
    )
    .option('--dry-run', 'tell what would be removed, and remove nothing')
    .option('--json', 'print the result as one line of JSON')
    .addHelpText('after', '\nExample:\n  tidegate repo gc s3://updates/repo --dry-run')
    .action((storage: string, options: Options) => gc(io, storage, options));
}

async function gc(io: Io, url: string, { keepFor, dryRun, json }: Options): Promise<void> {
  const keepForMs = durationOption('--keep-for', keepFor);
  if (keepForMs < SHORTEST_MS) {
    throw new UsageError('usage/option', `--keep-for must be 1 day or more, got '${keepFor}'`);
  }
  const isDryRun = dryRun === true;
  const access = isDryRun ? 'read' : 'write';
  await using storage = await openStorageFor(io, url, access);
  const repository = openRepository({ storage, now: io.now });
  const { removed, kept } = await collectGarbage(
    repository,
    { now: io.now(), keepForMs },
    isDryRun,
  );
  const bytes = removed.reduce((sum, { size }) => sum + size, 0);
  const objects = removed.map(({ name, size }) => ({ name, size }));
  print(io, json, { dryRun: isDryRun, removed: objects, bytes, kept }, [
    ...objects.map(({ name, size }) => `${name}: ${formatBytes(size)}`),
    `${removed.length} objects (${formatBytes(bytes)}) ${isDryRun ? 'would be removed' : 'removed'}, ${kept} kept`,
  ]);
}
