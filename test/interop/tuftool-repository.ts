import { generateKeyPairSync } from 'node:crypto';
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { runProgram } from './program.ts';
import { tuftool } from './clients.ts';

/** Forms in which tuftool signs: RSA as PEM, the others as PKCS#8 DER. */
export const TUFTOOL_KEYS = ['rsa', 'ecdsa', 'ed25519'] as const;
export type TuftoolKey = (typeof TUFTOOL_KEYS)[number];

export type Expiries = {
  readonly targets: string;
  readonly snapshot: string;
  readonly timestamp: string;
};

/** Runs tuftool; a failure fails the test with what it said. */
export async function mustTuftool(cwd: string, ...argv: readonly string[]): Promise<void> {
  const { code, stderr } = await runProgram(tuftool(), argv, { cwd });
  if (code !== 0) throw new Error(`tuftool ${argv.join(' ')}: exit ${code}: ${stderr}`);
}

/** As tuftool's `in 10 days`, which writes nanoseconds, but with these for the fraction: nothing, or `.` and digits. */
export function expiriesWith(fraction: string): Expiries {
  const inDays = (days: number) =>
    new Date(Date.now() + days * 86_400_000).toISOString().replace(/\.\d+Z$/, `${fraction}Z`);
  return { targets: inDays(30), snapshot: inDays(20), timestamp: inDays(10) };
}

/** The options of `tuftool create` and `update` that name versions and expiries. */
export function editionOptions(version: number, expiries: Expiries): readonly string[] {
  return (['targets', 'snapshot', 'timestamp'] as const).flatMap((role) => [
    ...[`--${role}-version`, String(version)],
    ...[`--${role}-expires`, expiries[role]],
  ]);
}

export function metadataUrl(folder: string, repository: string): string {
  return pathToFileURL(join(folder, repository, 'metadata')).href;
}

/** `root.key` and `online.key` in the folder. */
export async function makeTuftoolKeys(folder: string, type: TuftoolKey): Promise<void> {
  for (const name of ['root', 'online']) {
    await writeFile(join(folder, `${name}.key`), privateKeyFile(type));
  }
}

function privateKeyFile(type: TuftoolKey): string | Buffer {
  switch (type) {
    case 'rsa':
      return generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({
        type: 'pkcs8',
        format: 'pem',
      });
    case 'ecdsa':
      return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
        type: 'pkcs8',
        format: 'der',
      });
    case 'ed25519':
      return generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'der' });
  }
}

/**
 * A repository in `repo` by the commands of tuftool's own guide: `root.json`, then the files of `input` as targets of the
 * top-level role, which is where somebody starts who knows no delegations.
 */
export async function createTuftoolRepository(folder: string, expiries: Expiries): Promise<void> {
  const run = (...argv: readonly string[]) => mustTuftool(folder, ...argv);
  await run('root', 'init', 'root.json');
  await run('root', 'expire', 'root.json', 'in 6 weeks');
  for (const role of ['root', 'snapshot', 'targets', 'timestamp']) {
    await run('root', 'set-threshold', 'root.json', role, '1');
    const key = role === 'root' ? 'root.key' : 'online.key';
    await run('root', 'add-key', 'root.json', '--key', key, '--role', role);
  }
  await run('root', 'sign', 'root.json', '--key', 'root.key');
  await mkdir(join(folder, 'input'), { recursive: true });
  await run(
    ...['create', '--root', 'root.json', '--key', 'online.key', '--add-targets', 'input'],
    ...[...editionOptions(1, expiries), '--outdir', 'repo'],
  );
}

/** Delegates names to a role of its own and gives it the files of a folder: `create-role`, `add-role`, `update-…`, `update`. */
export async function delegateWithTuftool(
  folder: string,
  role: {
    readonly name: string;
    readonly paths: string;
    readonly files: string;
    readonly version: number;
    readonly expiries: Expiries;
  },
): Promise<void> {
  const { name, paths, files, version, expiries } = role;
  const run = (...argv: readonly string[]) => mustTuftool(folder, ...argv);
  const expires = ['--expires', expiries.targets];
  const repository = ['--root', 'root.json', '--metadata-url', metadataUrl(folder, 'repo')];
  await run(
    ...['delegation', '--signing-role', name, 'create-role', '--keys', 'online.key'],
    ...[...expires, '--version', '1', '--outdir', `${name}-1`],
  );
  await run(
    ...['delegation', '--signing-role', 'targets', 'add-role', '--delegated-role', name],
    ...['--incoming-metadata', metadataUrl(folder, `${name}-1`), '--key', 'online.key'],
    ...['--paths', paths, '--threshold', '1', '--terminating', ...expires, '--outdir', 'repo'],
    ...['--version', String(version), ...repository, '--sign-all'],
    ...editionOptions(version, expiries).slice(4),
  );
  await run(
    ...['delegation', '--signing-role', name, 'update-delegated-targets', '--key', 'online.key'],
    ...['--add-targets', files, ...expires, '--version', '2', ...repository],
    ...['--outdir', `${name}-2`],
  );
  await run(
    ...['update', '--key', 'online.key', '--role', name, ...repository],
    ...['--incoming-metadata', metadataUrl(folder, `${name}-2`), '--outdir', 'repo'],
    ...editionOptions(version + 1, expiries),
  );
  await cp(join(folder, `${name}-2`, 'targets'), join(folder, 'repo', 'targets'), {
    recursive: true,
  });
}
