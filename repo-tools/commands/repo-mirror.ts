import { Command, InvalidArgumentError } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { formatBytes, startProgress } from '../../adapters/terminal/progress.ts';
import { mirrorRepository } from '../mirror.ts';
import { openStorageFor } from '../open-storage.ts';
import { print, readOptionBytes } from '../usage.ts';

type Options = {
  readonly variant?: readonly string[];
  readonly arch?: readonly string[];
  readonly newest?: number;
  readonly root?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
};

export function repoMirrorCommand(io: Io): Command {
  return new Command('mirror')
    .description('copy a verified repository to a folder or bucket; run it again to continue')
    .argument('<source>', 'file:FOLDER, s3://BUCKET/PREFIX or http(s)://HOST/PATH')
    .argument('<destination>', 'file:FOLDER or s3://BUCKET/PREFIX')
    .option('--variant <variant...>', 'copy images of these variants only')
    .option('--arch <arch...>', 'copy images of these architectures only')
    .option('--newest <n>', 'copy images of the newest n releases per variant and arch', parseCount)
    .option('--root <file>', 'a root file that the source must have in its chain')
    .option('--dry-run', 'tell what would be copied; write nothing')
    .option('--json', 'print the result as one line of JSON')
    .addHelpText(
      'after',
      '\nExample:\n  tidegate repo mirror https://updates.example.com/repo file:/media/usb/repo --newest 2',
    )
    .action((source: string, destination: string, options: Options) =>
      mirror(io, source, destination, options),
    );
}

async function mirror(io: Io, source: string, destination: string, options: Options) {
  const { variant = [], arch = [], newest = null, root, dryRun = false, json } = options;
  const trustedRoot = root === undefined ? null : await readOptionBytes(io, '--root', root);
  await using from = await openStorageFor(io, source, 'read');
  await using to = await openStorageFor(io, destination, dryRun ? 'read' : 'write');
  const report = await mirrorRepository({
    from,
    to,
    selection: { variants: variant, arches: arch, newest },
    trustedRoot,
    isDryRun: dryRun,
    listener: { begin: (label, totalBytes) => startProgress(io, label, totalBytes) },
  });
  print(io, json, { dryRun, ...report }, [
    `${report.copied} targets ${dryRun ? 'would be ' : ''}copied (${formatBytes(report.bytes)}), ${report.skipped} were there`,
    ...report.leftOut.map((name) => `${name}: left out by the filters`),
    ...(dryRun ? ['dry run: nothing was written'] : []),
  ]);
}

function parseCount(text: string): number {
  if (!/^[1-9][0-9]{0,5}$/.test(text)) throw new InvalidArgumentError('must be 1 or more');
  return Number(text);
}
