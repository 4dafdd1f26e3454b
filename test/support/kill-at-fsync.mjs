// Preloaded with `node --import`: the process kills itself with SIGKILL at the N-th fsync or fdatasync, N being
// KILL_AT_FSYNC. Odd numbers die before the call, even ones right after it.
import fs from 'node:fs';
import { open } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { die } from './die.mjs';

const deathAt = Number(process.env['KILL_AT_FSYNC'] ?? '0');
let count = 0;

function before() {
  count += 1;
  if (count === deathAt && deathAt % 2 === 1) die();
  return count === deathAt;
}

if (deathAt > 0) {
  const handle = await open('/dev/null');
  const prototype = Object.getPrototypeOf(handle);
  await handle.close();
  for (const name of ['sync', 'datasync']) {
    const original = prototype[name];
    prototype[name] = async function (...args) {
      const isLast = before();
      const result = await original.apply(this, args);
      if (isLast) die();
      return result;
    };
  }
  for (const name of ['fsync', 'fdatasync']) {
    const original = fs[name];
    fs[name] = (fd, callback) => {
      const isLast = before();
      original(fd, (...results) => {
        if (isLast) die();
        callback(...results);
      });
    };
    const originalSync = fs[`${name}Sync`];
    fs[`${name}Sync`] = (fd) => {
      const isLast = before();
      originalSync(fd);
      if (isLast) die();
    };
  }
  syncBuiltinESMExports();
}
