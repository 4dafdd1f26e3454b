// Preloaded with `node --import`: the process kills itself with SIGKILL at the N-th point, N being KILL_AT_POINT. A point is
// the moment before each call of those that KILL_CALLS names (link, rename, unlink, sync, datasync), and the moment after it if
// the call changes what others see.
import fs, { open } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { die } from './die.mjs';

const deathAt = Number(process.env['KILL_AT_POINT'] ?? '0');
const calls = (process.env['KILL_CALLS'] ?? '').split(',');
let points = 0;

function point() {
  points += 1;
  if (points === deathAt) die();
}

function mortal(name, original) {
  return async function (...args) {
    point();
    const result = await original.apply(this, args);
    if (!name.endsWith('sync')) point();
    return result;
  };
}

const handle = await open('/dev/null');
const ofHandles = Object.getPrototypeOf(handle);
await handle.close();
for (const name of calls) {
  const owner = name in ofHandles ? ofHandles : fs;
  owner[name] = mortal(name, owner[name]);
}
syncBuiltinESMExports();
