import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Bundle } from './bundle.ts';
import { ROOT } from './bundle.ts';
import { PackageError } from './errors.ts';
import type { HostNode } from './host-node.ts';

const packageSchema = z.object({ name: z.string(), version: z.string() });

/** The terms of everything in the program: Tidegate's, those of each package in the bundle, and Node's. */
export async function noticesOf(
  { packages }: Bundle,
  { license }: Pick<HostNode, 'license'>,
): Promise<string> {
  const own = await readFile(join(ROOT, 'LICENSE'), 'utf8');
  const parts = [{ title: 'Tidegate', text: own }];
  for (const folder of packages) parts.push(await noticeOf(folder));
  parts.push({ title: 'Node.js', text: await readFile(license, 'utf8') });
  return parts.map(({ title, text }) => `## ${title}\n\n${text.trim()}\n`).join('\n');
}

async function noticeOf(
  folder: string,
): Promise<{ readonly title: string; readonly text: string }> {
  const path = join(ROOT, folder);
  const manifest: unknown = JSON.parse(await readFile(join(path, 'package.json'), 'utf8'));
  const { name, version } = packageSchema.parse(manifest);
  const file = (await readdir(path)).find((entry) => /^licen[cs]e(?:\.|$)/i.test(entry));
  if (file === undefined) {
    throw new PackageError('package/license', `package ${name} ${version} has no file LICENSE`);
  }
  return { title: `${name} ${version}`, text: await readFile(join(path, file), 'utf8') };
}
