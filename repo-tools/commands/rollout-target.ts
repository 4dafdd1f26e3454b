import { hostname } from 'node:os';
import type { Command } from 'commander';
import { openSigner } from '../../adapters/signing/open.ts';
import { openStorage } from '../../adapters/storage/open.ts';
import type { Io } from '../../adapters/terminal/io.ts';
import { readServerToken } from '../../adapters/terminal/server-record.ts';
import type { RolloutControl } from '../control/control.ts';
import { repositoryControl } from '../control/repository.ts';
import { serverControl } from '../control/server.ts';
import { UsageError } from '../usage.ts';

export type TargetOptions = {
  readonly server?: string;
  readonly storage?: string;
  readonly onlineKey?: readonly string[];
  readonly json?: boolean;
};

/** Adds the options that say where a rollout command works: on a server or on the repository itself. */
export function addTargetOptions(command: Command): Command {
  return command
    .option('--server <url>', 'work through this server (or TIDEGATE_SERVER)')
    .option('--storage <url>', 'work on this repository itself, without a server')
    .option('--online-key <source...>', 'with --storage: keys of rollouts, snapshot and timestamp')
    .option('--json', 'print the result as one line of JSON');
}

/** `look` needs no key; `change` does. */
export async function openControl(
  io: Io,
  options: TargetOptions,
  access: 'look' | 'change',
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
    return serverControl({ url: server, token: await readServerToken(server, io.env) });
  }
  return openRepositoryControl(io, options, access);
}

async function openRepositoryControl(
  io: Io,
  { storage: url = '', onlineKey = [] }: TargetOptions,
  access: 'look' | 'change',
): Promise<RolloutControl> {
  if (access === 'change' && onlineKey.length === 0) {
    throw new UsageError('usage/option', '--storage needs --online-key to sign the change');
  }
  await using opened = new AsyncDisposableStack();
  const storage = opened.use(
    await openStorage(url, {
      access: access === 'look' ? 'read' : 'write',
      cwd: io.cwd,
      env: io.env,
    }),
  );
  const signers = [];
  for (const source of access === 'look' ? [] : onlineKey) {
    signers.push(opened.use(await openSigner(source, io)));
  }
  const control = repositoryControl({ storage, signers, now: io.now, by: actor(io) });
  opened.move();
  return control;
}

/** Who the history names when nobody has logged in anywhere. */
export function actor({ env }: Io): string {
  return env['TIDEGATE_ACTOR'] ?? `${env['USER'] ?? env['LOGNAME'] ?? 'unknown'}@${hostname()}`;
}
