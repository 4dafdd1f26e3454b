import { Command } from 'commander';
import { NO_TRUST_CHANGE } from '../../adapters/repository/draft-proposal.ts';
import type { TrustChange } from '../../adapters/repository/draft-proposal.ts';
import { openPublicKey } from '../../adapters/signing/open.ts';
import type { Io } from '../../adapters/terminal/io.ts';
import type { Key } from '../../core/tuf/keys.ts';
import type { KeyChange } from '../../core/tuf/role-keys.ts';
import { addCeremonyOptions, countOption, roleOption, rolesNamed } from '../ceremony/options.ts';
import type { CeremonyOptions } from '../ceremony/options.ts';
import { proposeChange } from '../ceremony/propose.ts';
import { UsageError } from '../usage.ts';

type Options = CeremonyOptions & {
  readonly addKey?: readonly string[];
  readonly removeKey?: readonly string[];
  readonly threshold?: readonly string[];
  readonly renew?: readonly string[];
};

export function rootProposeCommand(io: Io): Command {
  const command = new Command('propose')
    .description('propose a change of keys, thresholds or expiry of root and targets')
    .argument('<storage>', 'file:FOLDER or s3://BUCKET/PREFIX')
    .option('--add-key <role=source...>', 'a new key; its public half is enough')
    .option('--remove-key <role=keyid...>', 'a key that may sign no more')
    .option('--threshold <role=number...>', 'how many keys must sign')
    .option('--renew <role...>', 'root or targets: only a new version and expiry')
    .addHelpText(
      'after',
      '\nRoles: root, targets, snapshot, timestamp, rollouts, releases-VARIANT-ARCH; online is snapshot, timestamp and rollouts.' +
        '\n\nExample:\n  tidegate repo root propose s3://updates/repo --add-key root=file:carol.pub.pem --threshold root=2 \\\n' +
        "    --reason 'Carol joins' --out proposal.json",
    )
    .action((storage: string, options: Options) =>
      proposeChange(io, storage, options, () => changeOf(io, options)),
    );
  return addCeremonyOptions(command);
}

async function changeOf(io: Io, options: Options): Promise<TrustChange> {
  const changes = new Map<string, { add: Key[]; remove: string[]; threshold: number | null }>();
  const of = (role: string) => {
    const change = changes.get(role) ?? { add: [], remove: [], threshold: null };
    changes.set(role, change);
    return change;
  };
  for (const text of options.addKey ?? []) {
    const { roles, value } = roleOption('--add-key', text);
    const key = await openPublicKey(value, io);
    roles.forEach((role) => of(role).add.push(key));
  }
  for (const text of options.removeKey ?? []) {
    const { roles, value } = roleOption('--remove-key', text);
    roles.forEach((role) => of(role).remove.push(value));
  }
  for (const text of options.threshold ?? []) {
    const { roles, value } = roleOption('--threshold', text);
    for (const role of roles) of(role).threshold = countOption('--threshold', value);
  }
  const keys = [...changes].map(([role, change]): KeyChange => ({ role, ...change }));
  return { ...NO_TRUST_CHANGE, keys, renew: (options.renew ?? []).flatMap(renewed) };
}

function renewed(role: string): readonly ('root' | 'targets')[] {
  return rolesNamed(role).map((name) => {
    if (name === 'root' || name === 'targets') return name;
    throw new UsageError('usage/option', `--renew must be root or targets, got '${role}'`, {
      hints: ['tidegate repo refresh renews the others'],
    });
  });
}
