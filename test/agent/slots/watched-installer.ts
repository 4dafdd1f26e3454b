// Installs a release and watches its changes to the disk:
//   node watched-installer.ts FOLDER VERSION [COUNT]
// With COUNT it dies by SIGKILL right before the COUNTth change. It writes a line for each change that was made, `CALL PATH`,
// exits with 0 when the installation is over, and with 1 and `refused CODE` when it was refused.
import { writeSync } from 'node:fs';
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { AgentError } from '../../../agent/errors.ts';
import { install } from './install.ts';
import { sampleRelease } from './releases.ts';

const [folder = '.', version = '1.0.0', count = '0'] = process.argv.slice(2);
const CHANGES = ['mkdir', 'open', 'rm', 'rename', 'symlink'] as const;
const FILE_CHANGES = ['write', 'writeFile', 'sync', 'truncate'] as const;

const paths = new WeakMap<object, string>();
let left = Number(count);

function watch(owner: object, name: string): void {
  const original: unknown = Reflect.get(owner, name);
  if (typeof original !== 'function') throw new TypeError(`there is no ${name}`);
  Reflect.set(owner, name, async function watched(this: object, ...parameters: unknown[]) {
    const [first, second] = parameters;
    const isChange = name !== 'open' || second !== 'r';
    if (isChange) left -= 1;
    if (isChange && left === 0) process.kill(process.pid, 'SIGKILL');
    const path =
      paths.get(this) ?? (name === 'rename' ? `${String(first)} ${String(second)}` : String(first));
    const result: unknown = await Reflect.apply(original, this, parameters);
    if (name === 'open' && typeof result === 'object' && result !== null) paths.set(result, path);
    if (isChange) writeSync(1, `${name} ${path.replaceAll(folder, '.')}\n`);
    return result;
  });
}

const handle = await fs.open(process.execPath, 'r');
const prototype: unknown = Object.getPrototypeOf(handle);
await handle.close();
if (typeof prototype !== 'object' || prototype === null) throw new TypeError('no file handles');

for (const name of FILE_CHANGES) watch(prototype, name);
for (const name of CHANGES) watch(fs, name);
syncBuiltinESMExports();

// Only now, so that it sees the functions that are watched.
const { directorySlots } = await import('../../../agent/slots/directory.ts');
try {
  await install(directorySlots(folder), sampleRelease(version, 20_000));
} catch (error) {
  if (!(error instanceof AgentError)) throw error;
  writeSync(1, `refused ${error.code}\n`);
  process.exitCode = 1;
}
