import { Command, Option } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import type { HostView } from '../../core/host-view.ts';
import { hostPages } from '../host-pages.ts';
import { addServerOptions, serverTarget } from '../server-target.ts';
import type { ServerOptions } from '../server-target.ts';
import { print, UsageError } from '../usage.ts';

type Options = ServerOptions & {
  readonly variant?: string;
  readonly arch?: string;
  readonly version?: string;
  readonly group?: string;
  readonly state?: string;
  readonly label?: readonly string[];
  readonly rollout?: string;
  readonly progress?: string;
  readonly idPrefix?: string;
  readonly limit: string;
};

export function hostListCommand(io: Io): Command {
  const command = new Command('list')
    .description('hosts that a server has seen, by id')
    .option('--variant <name>', 'only hosts of this variant')
    .option('--arch <name>', 'only hosts of this arch')
    .option('--version <version>', 'only hosts that run this version')
    .option('--group <name>', 'only hosts of this group')
    .option('--state <state>', 'only hosts whose agent is in this state, such as staged')
    .option('--label <name=value...>', 'only hosts with this label; several: with all of them')
    .option('--rollout <id>', 'only hosts that stand in this rollout')
    .addOption(
      new Option('--progress <standing>', 'with --rollout: only hosts that stand there').choices([
        'offered',
        'updated',
        'failed',
        'overdue',
        'rolled-back',
      ]),
    )
    .option('--id-prefix <text>', 'only hosts whose id begins with this')
    .option('--limit <number>', 'at most so many', '100')
    .addHelpText(
      'after',
      '\nExample:\n  tidegate host list --rollout 2jq9fqxk1c --progress failed --server http://127.0.0.1:8080',
    )
    .action((options: Options) => list(io, options));
  return addServerOptions(command);
}

async function list(io: Io, options: Options): Promise<void> {
  const limit = /^\d{1,9}$/.test(options.limit) ? Number(options.limit) : 0;
  if (limit === 0) {
    throw new UsageError(
      'usage/option',
      `--limit must be a whole number, 1 or more, got '${options.limit}'`,
    );
  }
  const target = await serverTarget(io, options);
  const hosts: HostView[] = [];
  let hasMore = false;
  for await (const page of hostPages(target, queryOf(options), limit)) {
    hosts.push(...page.hosts);
    hasMore = hosts.length > limit || page.next !== null;
    if (hosts.length >= limit) break;
  }
  hosts.splice(limit);
  if (hasMore) io.stderr.write(`tidegate: hint: there may be more: give a higher --limit\n`);
  print(io, options.json, { hosts }, hosts.length === 0 ? ['no such host'] : hosts.map(hostLine));
}

function queryOf(options: Options): URLSearchParams {
  const { variant, arch, version, group, state, idPrefix, progress, label = [] } = options;
  const query = new URLSearchParams();
  const single = { variant, arch, version, group, state, idPrefix, progress };
  for (const [name, value] of Object.entries({ ...single, rolloutId: options.rollout })) {
    if (value !== undefined) query.append(name, value);
  }
  for (const one of label) query.append('label', one);
  return query;
}

/** `id  variant arch version  state  group  seen …`. */
export function hostLine(host: HostView): string {
  const { id, variant, arch, version, state, group, lastSeen } = host;
  const parts = [id, `${variant} ${arch} ${version}`, state, group ?? '-', `seen ${lastSeen}`];
  return parts.join('  ');
}
