import { chmod, copyFile, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Bundle } from './bundle.ts';
import type { HostNode } from './host-node.ts';
import { runTool } from './tool.ts';

/** Where Node looks for a program of its own, and whether: its documentation gives the words. */
const RESOURCE = 'NODE_SEA_BLOB';
const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';

/** The agent waits for most of its life: less memory is worth more to a host than a faster garbage collection. */
const V8_FLAGS = ['--optimize-for-size'];

const CONFIG = {
  main: 'agent.cjs',
  output: 'agent.blob',
  disableExperimentalSEAWarning: true,
  // What V8 made of the text: a start need not parse all of it, and keeps what that took. V8 takes the cache under the same flags.
  useCodeCache: true,
  execArgv: V8_FLAGS,
  // Whoever may set NODE_OPTIONS for the agent must not thereby run code as root.
  execArgvExtension: 'none',
};

/** Writes the agent and its Node as one program that needs neither npm nor a Node on the host. */
export async function writeSingleFile(
  to: string,
  { bundle, node }: { readonly bundle: Bundle; readonly node: HostNode },
): Promise<void> {
  const folder = await mkdtemp(join(dirname(to), '.single-file-'));
  try {
    await writeFile(join(folder, CONFIG.main), bundle.code);
    await writeFile(join(folder, 'sea.json'), JSON.stringify(CONFIG));
    // Names without a folder: they go into the program, which is the same wherever it was made.
    // The seed decides in which order V8 writes its cache.
    const flags = [...V8_FLAGS, '--random-seed=1', '--experimental-sea-config', 'sea.json'];
    await runTool([node.program, ...flags], { cwd: folder });
    await copyFile(node.program, join(folder, 'tidegate'));
    const postject = createRequire(import.meta.url).resolve('postject/dist/cli.js');
    await runTool(
      [
        ...([node.program, postject, 'tidegate', RESOURCE, CONFIG.output] as const),
        ...['--sentinel-fuse', FUSE],
      ],
      { cwd: folder },
    );
    await chmod(join(folder, 'tidegate'), 0o755);
    await rename(join(folder, 'tidegate'), to);
  } finally {
    await rm(folder, { recursive: true });
  }
}
