import { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { print } from '../usage.ts';
import { withdraw } from '../withdraw.ts';
import { addReleaseEditOptions, editLines, warn, withRelease } from './release-edit-options.ts';
import type { ReleaseEditOptions } from './release-edit-options.ts';
import { actor } from './rollout-target.ts';

type Options = ReleaseEditOptions & { readonly allowDanglingRollback?: boolean };

export function releaseWithdrawCommand(io: Io): Command {
  const command = new Command('withdraw')
    .description('take a release away for good: no host can install it any more')
    .option(
      '--allow-dangling-rollback',
      'DANGER: also if other releases name it as the way back of their hosts',
    );
  return addReleaseEditOptions(command)
    .addHelpText(
      'after',
      '\nExample:\n  tidegate release withdraw file:repo --variant aws-k8s-1.32 --arch x86_64 --version 1.1.0 \\\n' +
        "    --reason 'leaks credentials' \\\n" +
        '    --release-key file:keys/release.pem --online-key file:keys/online.pem',
    )
    .action((storage: string, options: Options) => run(io, storage, options));
}

async function run(io: Io, url: string, options: Options): Promise<void> {
  const { variant, arch, version, reason, json, allowDanglingRollback = false } = options;
  const order = { variant, arch, version, reason, by: actor(io), allowDanglingRollback };
  const edited = await withRelease(io, url, options, (repository, mode) =>
    withdraw(order, { repository, mode, now: io.now() }),
  );
  const { planned, ...rest } = edited;
  const { removed, effects, warnings } = planned;
  const name = `${variant} ${arch} ${version}`;
  warn(io, warnings);
  print(io, json, { variant, arch, version, ...rest, removed, effects, warnings }, [
    ...(removed.length === 0
      ? [`${name} is withdrawn already; nothing to do`]
      : [`${edited.isWritten ? 'withdrew' : 'would withdraw'} ${name}`]),
    ...[...effects, ...removed.map((target) => `${target} is listed no more`)].map(
      (line) => `  ${line}`,
    ),
    ...editLines(edited),
  ]);
}
