import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tuftool } from './clients.ts';
import { runProgram } from './program.ts';

const ROOT = join(import.meta.dirname, '..', '..');

/** Name and version of each peer, from where it is pinned. */
export async function clientVersions(): Promise<readonly string[]> {
  const { dependencies }: { readonly dependencies: Readonly<Record<string, string>> } = JSON.parse(
    await readFile(join(ROOT, 'package.json'), 'utf8'),
  );
  const [pythonTuf = ''] = (
    await readFile(join(import.meta.dirname, 'python-tuf', 'requirements.txt'), 'utf8')
  ).split('\n');
  const goMod = await readFile(join(import.meta.dirname, 'go-tuf', 'go.mod'), 'utf8');
  const [, goTuf = ''] = /go-tuf\/v2 v(\S+)/.exec(goMod) ?? [];
  const { stdout } = await runProgram(tuftool(), ['--version']);
  return [
    `tuf-js ${dependencies['tuf-js'] ?? ''}`,
    `python-tuf ${pythonTuf.replace('tuf==', '')}`,
    `go-tuf ${goTuf}`,
    stdout.trim(),
  ];
}
