import { resolve } from 'node:path';
import { Argument, Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { ExpectedError } from '../../core/errors.ts';
import { conformanceDownload, conformanceInit, conformanceRefresh } from '../conformance.ts';
import { Network } from '../network/network.ts';
import { PLAIN_NETWORK } from '../network/settings.ts';

/** The command line is not one of the protocol. */
class ProtocolError extends ExpectedError<'usage/conformance'> {}

type Options = {
  readonly metadataDir: string;
  readonly metadataUrl?: string;
  readonly targetName?: readonly string[];
  readonly targetDir?: string;
  readonly targetBaseUrl?: string;
};

/** The protocol of tuf-conformance, a suite for TUF clients; its own words, not ours. */
export function agentConformanceCommand(io: Io): Command {
  const actions = new Argument('<action>').choices(['init', 'refresh', 'download']);
  return new Command('conformance')
    .description("speak tuf-conformance's protocol, so that the suite tests this agent")
    .requiredOption('--metadata-dir <folder>', 'where trusted metadata is kept')
    .option('--metadata-url <url>', "the repository's metadata")
    .option('--target-name <name>', 'to download; may be given again', collected)
    .option('--target-dir <folder>', 'where downloads are kept')
    .option('--target-base-url <url>', "the repository's targets")
    .addArgument(actions)
    .argument('[root]', 'for init: the trusted root')
    .addHelpText(
      'after',
      '\nExample:\n  tidegate agent conformance --metadata-dir md --metadata-url http://localhost:8888/metadata refresh',
    )
    .action(async (action: string, root: string | undefined, options: Options) => {
      const folder = resolve(io.cwd, options.metadataDir);
      if (action === 'init') {
        await conformanceInit(folder, resolve(io.cwd, given(root, '<root>')));
        return;
      }
      const network = new Network(PLAIN_NETWORK, io.env);
      const how = {
        metadataFolder: folder,
        metadataUrl: folderUrl(given(options.metadataUrl, '--metadata-url')),
        ...{ network, now: io.now, signal: io.signal },
      };
      if (action === 'refresh') {
        await conformanceRefresh(how);
        return;
      }
      await conformanceDownload(how, {
        names: given(options.targetName, '--target-name'),
        folder: resolve(io.cwd, given(options.targetDir, '--target-dir')),
        targetsUrl: folderUrl(given(options.targetBaseUrl, '--target-base-url')),
      });
    });
}

function collected(name: string, before: readonly string[] = []): readonly string[] {
  return [...before, name];
}

function given<T>(value: T | undefined, what: string): T {
  if (value !== undefined) return value;
  throw new ProtocolError('usage/conformance', `this needs ${what}`);
}

function folderUrl(url: string): string {
  return url.endsWith('/') ? url : `${url}/`;
}
