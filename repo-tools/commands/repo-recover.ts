import { Command } from 'commander';
import { NO_TRUST_CHANGE } from '../../adapters/repository/draft-proposal.ts';
import type { TrustChange } from '../../adapters/repository/draft-proposal.ts';
import { loadState } from '../../adapters/repository/load.ts';
import { findOpenProposal } from '../../adapters/repository/open-proposal.ts';
import type { Io } from '../../adapters/terminal/io.ts';
import { ROLLOUTS_ROLE } from '../../core/tuf/names.ts';
import { trustIn } from '../../core/tuf/repository-metadata.ts';
import type { TrustFiles } from '../../core/tuf/role-keys.ts';
import { rootTrust, trustedIdOf } from '../../core/tuf/verify.ts';
import { addCeremonyOptions, rolesNamed } from '../ceremony/options.ts';
import type { CeremonyOptions } from '../ceremony/options.ts';
import { newerFiles } from '../ceremony/newer-files.ts';
import { proposeChange, trustedRootOption } from '../ceremony/propose.ts';
import { openPublicKeys, rotation } from '../ceremony/rotation.ts';
import { openStorageFor } from '../open-storage.ts';
import { UsageError } from '../usage.ts';

type Options = CeremonyOptions & {
  readonly newOnlineKey: readonly string[];
  readonly restartRole?: readonly string[];
};

export function repoRecoverCommand(io: Io): Command {
  const command = new Command('recover')
    .description('after a fast-forward attack: new online keys, and versions that start again')
    .argument('<storage>', 'file:FOLDER or s3://BUCKET/PREFIX')
    .requiredOption(
      '--new-online-key <source...>',
      'keys of snapshot, timestamp and rollouts from now on',
    )
    .option(
      '--restart-role <role...>',
      'targets or releases roles, if the attacker could sign and skipped them too',
    )
    .addHelpText(
      'after',
      "\nExample:\n  tidegate repo recover file:repo --new-online-key file:online2.pem --reason 'stolen key' \\\n" +
        '    --sign-with file:root1.pem file:root2.pem file:targets.pem --online-key file:online2.pem',
    )
    .action(async (storage: string, options: Options) => {
      await warnOfOldFiles(io, storage, options);
      await proposeChange(io, storage, options, (files) => recovery(io, files, options));
    });
  return addCeremonyOptions(command);
}

/** Hosts will forget what they saw: whatever the published snapshot names is theirs from then on, however old it is. */
async function warnOfOldFiles(io: Io, url: string, { root }: Options): Promise<void> {
  await using storage = await openStorageFor(io, url, 'read');
  // A change that was interrupted has left newer files of its own.
  if ((await findOpenProposal(storage)) !== null) return;
  const trustedRoot = (await trustedRootOption(io, root)) ?? null;
  const { state } = await loadState({ storage, cache: new Map(), trustedRoot });
  const files = await newerFiles(storage, state);
  for (const { role, published, newer } of files) {
    io.stderr.write(
      `tidegate: warning: hosts will have ${role} in version ${published}, although version ${newer} was signed\n`,
    );
  }
  if (files.length === 0) return;
  io.stderr.write(
    'tidegate: hint: if that was published before the theft, put the last good timestamp.json back first\n',
  );
}

async function recovery(
  io: Io,
  files: TrustFiles,
  { newOnlineKey, restartRole = [] }: Options,
): Promise<TrustChange> {
  const online = ['root', 'snapshot', 'timestamp'];
  const unknown = restartRole.find(
    (role) => online.includes(role) || trustIn(files, role) === null,
  );
  if (unknown !== undefined) {
    throw new UsageError('usage/option', `--restart-role: there is no role '${unknown}'`);
  }
  const keys = await openPublicKeys(io, newOnlineKey);
  const trusts = (['snapshot', 'timestamp'] as const).map((role) => rootTrust(files.root, role));
  const old = keys
    .map((key) => trusts.map((trust) => trustedIdOf(trust, key)).find((id) => id !== null))
    .find((id) => id !== undefined);
  if (old !== undefined) {
    throw new UsageError(
      'usage/option',
      `--new-online-key: hosts forget the versions they saw only if all keys are new, got ${old} again`,
    );
  }
  // Who has the online key skips rollouts ahead too, maybe to the last number that there is.
  const rollouts = trustIn(files, ROLLOUTS_ROLE) === null ? [] : [ROLLOUTS_ROLE];
  return {
    ...NO_TRUST_CHANGE,
    keys: rotation(files, rolesNamed('online'), { keys, threshold: 1 }),
    restart: [...new Set(['snapshot', 'timestamp', ...rollouts, ...restartRole])],
  };
}
