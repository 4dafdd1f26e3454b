import { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import type { ReleaseTerms } from '../../core/release-terms.ts';
import { amend } from '../amend.ts';
import type { Amendment } from '../amend.ts';
import type { Edited } from '../release-edit.ts';
import { print, UsageError } from '../usage.ts';
import { addReleaseEditOptions, editLines, warn, withRelease } from './release-edit-options.ts';
import type { ReleaseEditOptions } from './release-edit-options.ts';
import { termChangeLine } from './release-text.ts';
import { actor } from './rollout-target.ts';

type Options = ReleaseEditOptions & {
  readonly rollbackTo?: readonly string[];
  readonly minimumFrom?: string;
  readonly notes?: string;
};

export function releaseAmendCommand(io: Io): Command {
  const command = new Command('amend')
    .description('change rollbackTo, minimumFrom or notes of a published release; never its images')
    .option(
      '--rollback-to <version...>',
      'all versions that its hosts may be sent back to, or none',
    )
    .option('--minimum-from <version>', 'older hosts must step through an earlier release, or none')
    .option('--notes <url>', 'where people read about the release, or none');
  return addReleaseEditOptions(command)
    .addHelpText(
      'after',
      '\nExample:\n  tidegate release amend file:repo --variant aws-k8s-1.32 --arch x86_64 --version 1.1.0 \\\n' +
        "    --rollback-to 1.0.0 0.9.0 --reason 'tested the way back' \\\n" +
        '    --release-key file:keys/release.pem --online-key file:keys/online.pem',
    )
    .action((storage: string, options: Options) => run(io, storage, options));
}

async function run(io: Io, url: string, options: Options): Promise<void> {
  const terms = termsOf(options);
  const { variant, arch, version, reason, json } = options;
  const order = { variant, arch, version, terms, reason, by: actor(io) };
  const edited = await withRelease(io, url, options, (repository, mode) =>
    amend(order, { repository, mode, now: io.now() }),
  );
  const { planned, ...rest } = edited;
  const { changes, document, rollouts, warnings } = planned;
  warn(io, planned.warnings);
  print(io, json, { variant, arch, version, ...rest, changes, document, rollouts, warnings }, [
    ...amendmentLines(`${variant} ${arch} ${version}`, edited),
    ...editLines(edited),
  ]);
}

function termsOf({ rollbackTo, minimumFrom, notes }: Options): Partial<ReleaseTerms> {
  if (rollbackTo === undefined && minimumFrom === undefined && notes === undefined) {
    throw new UsageError('usage/option', 'give --rollback-to, --minimum-from or --notes');
  }
  if (rollbackTo?.includes('none') === true && rollbackTo.length > 1) {
    throw new UsageError('usage/option', `--rollback-to is none or versions, not both`);
  }
  const orNone = (text: string) => (text === 'none' ? null : text);
  return {
    ...(rollbackTo === undefined ? {} : { rollbackTo: rollbackTo.filter((v) => v !== 'none') }),
    ...(minimumFrom === undefined ? {} : { minimumFrom: orNone(minimumFrom) }),
    ...(notes === undefined ? {} : { notes: orNone(notes) }),
  };
}

function amendmentLines(name: string, { planned, isWritten }: Edited<Amendment>) {
  const { changes, document, rollouts } = planned;
  if (changes.length === 0) return [`${name} has these terms already; nothing to do`];
  return [
    `${isWritten ? 'amended' : 'would amend'} ${name}`,
    ...changes.flatMap((change) => [
      `  ${termChangeLine(change)}`,
      ...change.effects.map((effect) => `    ${effect}`),
    ]),
    ...rollouts.map((id) => `  rollout ${id} repeats it in the manifest`),
    `  document before: SHA-256 ${document.before}; its bytes stay in the storage`,
  ];
}
