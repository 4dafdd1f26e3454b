import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { accessSync, constants } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { generateKeyPairSync } from 'node:crypto';
import { initRepository } from '../adapters/repository/init.ts';
import { readObject } from '../adapters/repository/objects.ts';
import { openRepository } from '../adapters/repository/repository.ts';
import { openSigner } from '../adapters/signing/open.ts';
import { createMemoryStorage } from '../adapters/storage/memory.ts';
import type { Storage } from '../adapters/storage/storage.ts';
import { compileManifest } from '../core/compile.ts';
import { EMPTY_PLAN } from '../core/plan.ts';
import { releasesRole } from '../core/tuf/names.ts';
import { measureProgram, measureTidegate } from './measured-process.ts';
import { median, scratchFolder, spread } from './runs.ts';

const VARIANTS = Array.from({ length: 12 }, (_, index) => `variant-${index}`);
// A publish of one image adds two, which makes the 500 that a role may have.
const TARGETS = 498;
const RUNS = 7;
const KEY = 'file:key.pem';

/**
 * The time to edit, sign and commit one role of a repository of 12 variants with 500 targets each, over that of
 * `tuftool update` adding as many targets to the same repository. Null without tuftool on PATH.
 */
export async function benchEdit(print: (line: string) => void): Promise<number | null> {
  await using folder = await scratchFolder();
  const cwd = folder.path;
  await makeRepository(cwd);
  const tuftool = findProgram('tuftool');
  const [ours, whole, theirs]: [number[], number[], number[]] = [[], [], []];
  for (let run = 0; run <= RUNS; run += 1) {
    const theirMs = tuftool === null ? null : await updateOnce(cwd, tuftool);
    const { ms, wholeMs } = await publishOnce(cwd);
    if (run === 0) continue;
    ours.push(ms);
    whole.push(wholeMs);
    if (theirMs !== null) theirs.push(theirMs);
  }
  print(`edit, sign and commit with 500 targets in each of 12 roles: ${spread(ours)}`);
  print(`with the start of Node: ${spread(whole)}`);
  if (tuftool === null) {
    print('tuftool is not on PATH, so nothing is compared');
    return null;
  }
  print(`tuftool update: ${spread(theirs)}`);
  return median(ours) / median(theirs);
}

async function publishOnce(cwd: string) {
  await rm(join(cwd, 'R'), { recursive: true, force: true });
  await cp(join(cwd, 'pristine'), join(cwd, 'R'), { recursive: true });
  return measureTidegate(cwd, [
    ...['publish', 'file:R', '--variant', VARIANTS[0] ?? '', '--arch', 'x86_64'],
    ...['--version', '2.0.0', '--image', 'root=input/a', '--release-key', KEY],
    ...['--online-key', KEY],
  ]);
}

async function updateOnce(cwd: string, tuftool: string): Promise<number> {
  await rm(join(cwd, 'out'), { recursive: true, force: true });
  const expires = '2099-01-01T00:00:00Z';
  return measureProgram(cwd, tuftool, [
    ...['update', '--root', 'pristine/metadata/1.root.json', '--key', 'key.pem'],
    ...['--metadata-url', `file://${cwd}/pristine/metadata`, '--outdir', 'out'],
    ...['--add-targets', 'input'],
    ...['snapshot', 'targets', 'timestamp'].flatMap((role) => [
      ...[`--${role}-version`, '9', `--${role}-expires`, expires],
    ]),
  ]);
}

/** In `pristine`; one RSA key holds every role, since tuftool reads that form of ours. */
async function makeRepository(cwd: string): Promise<void> {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  await writeFile(join(cwd, 'key.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }));
  await mkdir(join(cwd, 'input'));
  for (const name of ['a', 'b']) await writeFile(join(cwd, 'input', name), `image ${name}`);
  const signer = await openSigner(KEY, { cwd, env: {} });
  const holders = { keys: [signer.key], threshold: 1 };
  const storage = createMemoryStorage();
  const now = new Date();
  const platforms = VARIANTS.map((variant) => ({ variant, arch: 'x86_64' }));
  await initRepository({
    ...{ storage, now, signers: [signer], root: holders, targets: holders, online: holders },
    releases: platforms.map((platform) => ({ ...platform, ...holders })),
    manifest: new TextEncoder().encode(compileManifest(EMPTY_PLAN, { published: [], now })),
  });
  const edits = platforms.map((platform) => {
    const addFiles = Array.from({ length: TARGETS }, (_, index) => ({
      name: `${platform.variant}-x86_64-1.${index}.0-root`,
      bytes: new TextEncoder().encode(`image ${index}`),
    }));
    return [releasesRole(platform), { addFiles }] as const;
  });
  await openRepository({ storage, now: () => now }).commit({
    signers: [signer],
    edit: () => ({ roles: new Map(edits) }),
  });
  await writeMetadata(storage, join(cwd, 'pristine'));
}

/** Neither tool reads the targets that are listed already. */
async function writeMetadata(storage: Storage, folder: string): Promise<void> {
  for await (const { name, size } of storage.list('metadata/')) {
    const path = join(folder, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, (await readObject(storage, name, size)).bytes);
  }
}

function findProgram(name: string): string | null {
  const paths = (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, name));
  return paths.find((path) => isExecutable(path)) ?? null;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
