import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseRelease } from '../core/release.ts';
import { SEED_COUNT } from '../core/seed.ts';

export const PLATFORM = { variant: 'aws-k8s-1.32', arch: 'x86_64' } as const;

export type DemoHost = { readonly id: string; readonly seed: number; readonly folder: string };

/** Hosts whose seeds lie evenly over the queue, each with a folder of its own for its disk. */
export function demoHosts(folder: string, count: number): readonly DemoHost[] {
  return Array.from({ length: count }, (_, index) => {
    const id = `host-${String(index + 1).padStart(2, '0')}`;
    const seed = Math.floor(((index + 0.5) * SEED_COUNT) / count);
    return { id, seed, folder: join(folder, 'hosts', id) };
  });
}

export async function configureHost(
  host: DemoHost,
  serverUrl: string,
  root: string,
): Promise<string> {
  await mkdir(host.folder, { recursive: true });
  const file = join(host.folder, 'agent.toml');
  const config = [
    "state = 'state'",
    '[host]',
    `id = '${host.id}'`,
    `variant = '${PLATFORM.variant}'`,
    `arch = '${PLATFORM.arch}'`,
    `seed = ${host.seed}`,
    '[server]',
    `url = '${serverUrl}'`,
    '[repository]',
    `root = '${root}'`,
    '[slots]',
    "kind = 'directory'",
    "path = 'slots'",
    '',
  ];
  await writeFile(file, config.join('\n'));
  return file;
}

/** The version that the host's active slot holds, read from its disk; null while there is none. */
export async function activeVersion({ folder }: DemoHost): Promise<string | null> {
  try {
    return parseRelease(await readFile(join(folder, 'slots', 'active', 'release.json'))).version;
  } catch {
    return null;
  }
}

/** Whether every image in the active slot is, byte for byte, what the signed release document says. */
export async function isWhole({ folder }: DemoHost): Promise<boolean> {
  const active = join(folder, 'slots', 'active');
  const release = parseRelease(await readFile(join(active, 'release.json')));
  for (const [name, image] of Object.entries(release.images)) {
    const hash = createHash('sha256');
    for await (const chunk of createReadStream(join(active, name))) hash.update(chunk);
    if (hash.digest('hex') !== image.sha256) return false;
  }
  return true;
}
