import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { installedProgram, runProgram } from './program.ts';
import { readAsAgent, readWithTufJs } from './in-process.ts';

/** What a client is asked to do: follow the repository to its present state and fetch these targets. */
export type Visit = {
  /** File with the root that is trusted if `memory` is empty. */
  readonly firstRoot: string;
  /** Both without `/` at the end; http, or file for a client that `readsFiles`. */
  readonly metadataUrl: string;
  readonly targetsUrl: string;
  readonly names: readonly string[];
  /** The client's own folder; it holds what an earlier visit left there. */
  readonly memory: string;
  /** Not there yet; gets a file for every name. */
  readonly out: string;
};

/** `refused` says why, in the client's own words. */
export type Outcome =
  { readonly kind: 'read' } | { readonly kind: 'refused'; readonly reason: string };

export type Client = {
  readonly name: string;
  readonly readsFiles: boolean;
  /** Whether it keeps what it has seen, so that it notices what goes back. */
  readonly remembers: boolean;
  readonly visit: (visit: Visit) => Promise<Outcome>;
};

export const CLIENTS: readonly Client[] = [
  { name: 'tuf-js', readsFiles: false, remembers: true, visit: readWithTufJs },
  { name: 'python-tuf', readsFiles: false, remembers: true, visit: readWithPythonTuf },
  { name: 'go-tuf', readsFiles: false, remembers: true, visit: readWithGoTuf },
  { name: 'tuftool download', readsFiles: true, remembers: false, visit: downloadWithTuftool },
  { name: 'tuftool clone', readsFiles: true, remembers: false, visit: cloneWithTuftool },
  { name: 'tidegate agent', readsFiles: true, remembers: true, visit: readAsAgent },
];

const CLIENT_PROGRAM = join(import.meta.dirname, 'python-tuf', 'client.py');

async function readWithPythonTuf(visit: Visit): Promise<Outcome> {
  const python = installedProgram(join('python-tuf', 'bin', 'python'), 'python-tuf');
  return run(python, [CLIENT_PROGRAM, ...clientArguments(visit)]);
}

async function readWithGoTuf(visit: Visit): Promise<Outcome> {
  return run(installedProgram(join('bin', 'go-tuf-client'), 'go-tuf'), clientArguments(visit));
}

/** Without a target `download` would fetch those of the top level only, of which we have none. */
async function downloadWithTuftool(visit: Visit): Promise<Outcome> {
  return runTuftool(visit, ['download', ...tuftoolArguments(visit), visit.out]);
}

/** As `clone` keeps the names of storage, the targets are looked for under the hash that the client put before them. */
async function cloneWithTuftool(visit: Visit): Promise<Outcome> {
  return runTuftool(visit, [
    ...['clone', ...tuftoolArguments(visit)],
    ...['--metadata-dir', `${visit.out}.metadata`, '--targets-dir', visit.out],
  ]);
}

/** tuftool reads all certificates that it finds anew for every file it fetches. One is enough where nothing is encrypted. */
async function runTuftool({ out }: Visit, argv: readonly string[]): Promise<Outcome> {
  const certificates = `${out}.certificates.pem`;
  await writeFile(certificates, rootCertificates[0] ?? '');
  return run(tuftool(), argv, { SSL_CERT_FILE: certificates, SSL_CERT_DIR: undefined });
}

export function tuftool(): string {
  return installedProgram(join('bin', 'tuftool'), 'tuftool');
}

function clientArguments(visit: Visit): readonly string[] {
  return [
    ...['--root', visit.firstRoot, '--memory', visit.memory, '--out', visit.out],
    ...['--metadata-url', visit.metadataUrl, '--targets-url', visit.targetsUrl],
    ...visit.names,
  ];
}

function tuftoolArguments({ firstRoot, metadataUrl, targetsUrl, names }: Visit): readonly string[] {
  return [
    ...['--root', firstRoot, '--metadata-url', metadataUrl, '--targets-url', targetsUrl],
    ...names.flatMap((name) => ['-n', name]),
  ];
}

async function run(
  program: string,
  argv: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<Outcome> {
  const { code, stderr, stdout } = await runProgram(program, argv, { env });
  return code === 0
    ? { kind: 'read' }
    : { kind: 'refused', reason: `exit ${code}: ${stderr.trim() || stdout.trim()}` };
}
