import { Command } from 'commander';
import { openRepository } from '../../adapters/repository/repository.ts';
import type { Io } from '../../adapters/terminal/io.ts';
import { releaseJson } from '../../core/release-view.ts';
import { openStorageFor } from '../open-storage.ts';
import { readReleases } from '../releases.ts';
import { print } from '../usage.ts';
import { releaseListLines } from './release-text.ts';

type Options = {
  readonly variant?: string;
  readonly arch?: string;
  readonly json?: boolean;
};

export function releaseListCommand(io: Io): Command {
  return new Command('list')
    .description('published releases, and whether a rollout gives them now')
    .argument('<storage>', 'file:FOLDER, s3://BUCKET/PREFIX or http(s)://HOST/PATH')
    .option('--variant <name>', 'only releases of this variant')
    .option('--arch <name>', 'only releases of this arch')
    .option('--json', 'print the result as one line of JSON')
    .addHelpText('after', '\nExample:\n  tidegate release list file:repo --variant aws-k8s-1.32')
    .action((storage: string, options: Options) => list(io, storage, options));
}

async function list(io: Io, url: string, { variant, arch, json }: Options): Promise<void> {
  await using storage = await openStorageFor(io, url, 'read');
  const repository = openRepository({ storage, now: io.now });
  const releases = await readReleases(repository, { variant, arch }, io.now());
  print(io, json, { releases: releases.map(releaseJson) }, [
    ...(releases.length === 0 ? ['no such release is published'] : []),
    ...releases.flatMap(releaseListLines),
  ]);
}
