import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { failureOf } from '../bin/failure.ts';
import { asScript, bundleAgent, ROOT } from './bundle.ts';
import { sourceEpoch, writeDeb } from './deb.ts';
import { findHostNode } from './host-node.ts';
import { noticesOf } from './notices.ts';
import { writeSingleFile } from './single-file.ts';

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: join(ROOT, 'packaging', 'out') },
    deb: { type: 'boolean', default: false },
  },
});

try {
  for (const file of await makePackage(resolve(values.out))) {
    const sha256 = createHash('sha256').update(await readFile(file));
    process.stdout.write(`${sha256.digest('hex')}  ${basename(file)}\n`);
  }
} catch (error) {
  const { exitCode, lines } = failureOf(error);
  lines.forEach((line) => process.stderr.write(`${line}\n`));
  process.exitCode = exitCode;
}

/** Returns the paths of what was made. */
async function makePackage(folder: string): Promise<readonly string[]> {
  const node = findHostNode();
  const bundle = await bundleAgent();
  const notices = await noticesOf(bundle, node);
  await mkdir(folder, { recursive: true });
  const program = join(folder, 'tidegate');
  const script = join(folder, 'tidegate.cjs');
  const noticesFile = join(folder, 'NOTICES');
  await writeSingleFile(program, { bundle, node });
  await writeFile(script, asScript(bundle), { mode: 0o755 });
  await writeFile(noticesFile, notices);
  const files = [program, script, noticesFile];
  if (!values.deb) return files;
  const epoch = await sourceEpoch(process.env['SOURCE_DATE_EPOCH']);
  const version = await ownVersion();
  return [...files, await writeDeb(folder, { program, node, notices, version, epoch })];
}

async function ownVersion(): Promise<string> {
  const manifest: unknown = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
  return z.object({ version: z.string() }).parse(manifest).version;
}
