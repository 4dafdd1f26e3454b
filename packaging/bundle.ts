import { join } from 'node:path';
import { build } from 'esbuild';
import { PackageError } from './errors.ts';

export const ROOT = join(import.meta.dirname, '..');

export type Bundle = {
  /** One CommonJS module; all that it requires is in Node. */
  readonly code: string;
  /** Folders of the packages that parts of it come from, below the root of the checkout, in order. */
  readonly packages: readonly string[];
  /** Files of our own that are in it, below the root of the checkout. */
  readonly sources: readonly string[];
};

/** The agent and what it needs as one module: no other part of Tidegate is in it. */
export async function bundleAgent(): Promise<Bundle> {
  const { outputFiles, metafile, warnings } = await build({
    absWorkingDir: ROOT,
    entryPoints: ['bin/agent.ts'],
    bundle: true,
    write: false,
    metafile: true,
    logLevel: 'silent',
    platform: 'node',
    // A module first: what UMD requires cannot be seen.
    mainFields: ['module', 'main'],
    format: 'cjs',
    legalComments: 'none',
    // V8 keeps the text of a program in memory for as long as it runs. Names stay, for those who read where it failed.
    minifyWhitespace: true,
    minifySyntax: true,
    // Old enough that a Node which is too old can read the file and say so.
    target: 'node20',
  });
  const [output] = outputFiles;
  const [warning] = warnings;
  if (warning !== undefined || output === undefined) {
    throw new PackageError('package/tool', `esbuild warns: ${warning?.text ?? 'no output'}`);
  }
  const folders = Object.keys(metafile.inputs).flatMap((input) => {
    const [folder] = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input) ?? [];
    return folder === undefined ? [] : [folder];
  });
  return {
    code: output.text,
    packages: [...new Set(folders)].toSorted(),
    sources: Object.keys(metafile.inputs).filter((input) => !input.includes('node_modules/')),
  };
}

/** The bundle as a program for hosts that have a Node of their own; an older one is told what is needed. */
export function asScript({ code }: Bundle): string {
  return `#!/usr/bin/env node
{
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 24 || (major === 24 && minor < 15)) {
    process.stderr.write(\`tidegate: error: needs Node 24.15 or newer, this is \${process.version}\\n\`);
    process.exit(1);
  }
}
${code}`;
}
