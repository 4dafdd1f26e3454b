import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Command } from 'commander';
import type { EditPlan } from '../../adapters/repository/repository.ts';
import type { Io } from '../../adapters/terminal/io.ts';
import { readServerToken } from '../../adapters/terminal/server-record.ts';
import type { RolloutView } from '../../core/rollout-view.ts';
import type { RequestIds, RolloutControl } from '../control/control.ts';
import { repositoryControl } from '../control/repository.ts';
import { serverControl } from '../control/server.ts';
import { expiryPolicyOption } from '../expiry-policy.ts';
import { openSigners } from '../open-signers.ts';
import { openStorageFor } from '../open-storage.ts';
import { rolloutLine } from './rollout-text.ts';
import { printDryRun } from '../dry-run.ts';
import { print, UsageError } from '../usage.ts';

export type TargetOptions = {
  readonly server?: string;
  readonly storage?: string;
  readonly onlineKey?: readonly string[];
  readonly expiryPolicy?: string;
  readonly requestId?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
};

/** Adds the options of a command that changes rollouts. */
export function addChangeOptions(command: Command): Command {
  return addTargetOptions(command)
    .option(
      '--request-id <id>',
      'name for this change, 8 to 64 characters: given again, it is not done twice',
    )
    .option('--expiry-policy <file>', 'with --storage: TOML with timestamp_expiration and the like')
    .option('--dry-run', 'with --storage: print what would be signed; open no key, write nothing');
}

/** Adds the options that say where a rollout command works: on a server or on the repository itself. */
export function addTargetOptions(command: Command): Command {
  return command
    .option('--server <url>', 'work through this server (or TIDEGATE_SERVER)')
    .option('--storage <url>', 'work on this repository itself, without a server')
    .option('--online-key <source...>', 'with --storage: keys of rollouts, snapshot and timestamp')
    .option('--json', 'print the result as one line of JSON');
}

/** Does one verb where the options say, and prints the rollout after it; or for a dry run what it would change. */
export async function changeRollout(
  io: Io,
  options: TargetOptions,
  {
    verb,
    lines,
  }: {
    readonly verb: (control: RolloutControl) => Promise<RolloutView>;
    readonly lines: (view: RolloutView) => readonly string[];
  },
): Promise<void> {
  const plans: EditPlan[] = [];
  await using control = await openControl(io, options, 'change', (plan) => plans.push(plan));
  const view = await verb(control);
  const after = { json: { rollout: view }, lines: [`would be: ${rolloutLine(view)}`] };
  if (options.dryRun === true) printDryRun(io, options.json, plans, after);
  else print(io, options.json, view, lines(view));
}

/** `look` needs no key; `change` does, unless the options ask for a dry run: then `onPlan` is told instead. */
export async function openControl(
  io: Io,
  options: TargetOptions,
  access: 'look' | 'change',
  onPlan?: (plan: EditPlan) => void,
): Promise<RolloutControl> {
  const server =
    options.server ?? (options.storage === undefined ? io.env['TIDEGATE_SERVER'] : undefined);
  if ((server === undefined) === (options.storage === undefined)) {
    throw new UsageError('usage/option', 'give either --server or --storage', {
      hints: [
        '--server http://127.0.0.1:8080, or --storage file:repo --online-key file:online.pem',
      ],
    });
  }
  if (server !== undefined) {
    if (options.dryRun === true) {
      throw new UsageError('usage/option', '--dry-run needs --storage instead of a server');
    }
    const token = await readServerToken(server, io.env);
    return serverControl({ url: server, token }, requestIds(options));
  }
  return options.dryRun === true
    ? openRepositoryControl(io, options, 'look', onPlan)
    : openRepositoryControl(io, options, access);
}

async function openRepositoryControl(
  io: Io,
  options: TargetOptions,
  access: 'look' | 'change',
  onPlan?: (plan: EditPlan) => void,
): Promise<RolloutControl> {
  const { storage: url = '', onlineKey = [] } = options;
  if (access === 'change' && onlineKey.length === 0) {
    throw new UsageError('usage/option', '--storage needs --online-key to sign the change');
  }
  const expiry = await expiryPolicyOption(io, options.expiryPolicy);
  await using opened = new AsyncDisposableStack();
  const storage = opened.use(await openStorageFor(io, url, access === 'look' ? 'read' : 'write'));
  const signers = await openSigners(io, opened, access === 'look' ? [] : onlineKey);
  const control = repositoryControl({
    ...{ storage, signers, now: io.now, expiry, by: actor(io), onPlan },
    newRequestId: requestIds(options),
  });
  opened.move();
  return control;
}

function requestIds({ requestId }: TargetOptions): RequestIds {
  if (requestId === undefined) return randomUUID;
  if (!/^[A-Za-z0-9._-]{8,64}$/.test(requestId)) {
    throw new UsageError(
      'usage/option',
      `--request-id must be 8 to 64 letters, digits, dots, dashes or underscores, got '${requestId}'`,
    );
  }
  return () => requestId;
}

/** Who the history names when nobody has logged in anywhere. */
export function actor({ env }: Io): string {
  return env['TIDEGATE_ACTOR'] ?? `${env['USER'] ?? env['LOGNAME'] ?? 'unknown'}@${hostname()}`;
}
