import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import type { Workplace } from './cli.ts';

export const PLATFORM = ['--variant', 'aws-k8s-1.32', '--arch', 'x86_64'] as const;
export const ONLINE = ['--online-key', 'file:K/online.pem'] as const;

/** Keys in K and a repository in R, by the commands of the first issue of every newcomer. */
export async function initRepository(workplace: Workplace): Promise<void> {
  for (const name of ['root1', 'root2', 'targets', 'online', 'release']) {
    await workplace.must('key', 'new', '--type', 'ed25519', '--out', `K/${name}.pem`);
  }
  await workplace.must(
    ...['repo', 'init', 'file:R', '--root-key', 'file:K/root1.pem', '--root-key'],
    ...['file:K/root2.pem', '--root-threshold', '2', '--targets-key', 'file:K/targets.pem'],
    ...['--online-key', 'file:K/online.pem'],
    ...['--release-key', 'aws-k8s-1.32:x86_64=file:K/release.pem'],
  );
}

export async function writeImages(workplace: Workplace, label: string): Promise<void> {
  await writeFile(join(workplace.folder, 'b.img'), `boot image ${label}`);
  await writeFile(
    join(workplace.folder, 'r.img.zst'),
    zstdCompressSync(Buffer.from(`root image ${label} `.repeat(1000))),
  );
  await writeFile(join(workplace.folder, 'h.img'), `hash image ${label}`);
}

/** The arguments of `publish` for a version, with images in the workplace. */
export function publishArguments(version: string, ...more: readonly string[]): readonly string[] {
  return [
    ...['publish', 'file:R', ...PLATFORM, '--version', version],
    ...['--image', 'boot=b.img', '--image', 'root=r.img.zst', '--image', 'hash=h.img'],
    ...['--release-key', 'file:K/release.pem', ...ONLINE],
    ...more,
  ];
}

export async function publishVersion(
  workplace: Workplace,
  version: string,
  ...more: readonly string[]
): Promise<void> {
  await writeImages(workplace, version);
  await workplace.must(...publishArguments(version, ...more));
}
