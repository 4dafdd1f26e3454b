// Installs a release and dies by SIGKILL right before its COUNTth change to the disk:
//   node killed-installer.ts FOLDER VERSION COUNT
// Exits with 0 if the installation was over before.
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { install } from './install.ts';
import { sampleRelease } from './releases.ts';

const [folder = '.', version = '1.0.0', count = '1'] = process.argv.slice(2);
const CHANGES = ['mkdir', 'open', 'rm', 'rename', 'symlink'] as const;
const FILE_CHANGES = ['write', 'writeFile', 'sync', 'truncate'];

let left = Number(count);

function dieWhenDue(): void {
  left -= 1;
  if (left === 0) process.kill(process.pid, 'SIGKILL');
}

function dying(owner: object, name: string): void {
  const original: unknown = Reflect.get(owner, name);
  if (typeof original !== 'function') throw new TypeError(`there is no ${name}`);
  Reflect.set(owner, name, function dieOrGoOn(this: unknown, ...parameters: unknown[]): unknown {
    dieWhenDue();
    return Reflect.apply(original, this, parameters);
  });
}

const handle = await fs.open(process.execPath, 'r');
const prototype: unknown = Object.getPrototypeOf(handle);
await handle.close();
if (typeof prototype !== 'object' || prototype === null) throw new TypeError('no file handles');

for (const name of FILE_CHANGES) dying(prototype, name);
for (const name of CHANGES) dying(fs, name);
syncBuiltinESMExports();

// Only now, so that it sees the functions that die.
const { directorySlots } = await import('../../../agent/slots/directory.ts');
await install(directorySlots(folder), sampleRelease(version, 20_000));
