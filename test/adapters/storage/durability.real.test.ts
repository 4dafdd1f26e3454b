import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { openFilesystemStorage } from '../../../adapters/storage/filesystem.ts';
import { startStorageWorker } from '../../support/workers.ts';

const scratch = mkdtempSync(join(tmpdir(), 'tidegate-durability-'));
afterAll(() => rmSync(scratch, { recursive: true }));

/** The calls that make names and bytes durable, in the order in which the kernel finished them. */
async function traced(args: readonly string[], folder: string): Promise<string[]> {
  const log = `${folder}.strace`;
  const calls = 'trace=fsync,fdatasync,link,linkat,rename,renameat,renameat2,mkdir,mkdirat';
  const wrapper = ['strace', '-f', '-y', '-s', '4096', '-o', log, '-e', calls];
  await using worker = startStorageWorker(args, { wrapper });
  await worker.ended();
  return readFileSync(log, 'utf8')
    .split('\n')
    .filter((line) => line.includes(folder) && line.endsWith(' = 0'))
    .map((line) => line.replaceAll(folder, 'R').replaceAll(/[0-9a-f-]{36}/g, 'TMP'))
    .map((line) => {
      const [, call = '', rest = ''] = /^\d+ +(\w+)\((.*)\) += 0$/.exec(line) ?? [];
      const paths = rest.match(/(?<=["<])R[^">]*/g) ?? [];
      return `${call.replace(/at2?$/, '')} ${paths.join(' ')}`;
    });
}

describe('a put into a folder, seen from the kernel', () => {
  it('syncs the bytes before they get their name, and the name before it returns', async () => {
    const folder = join(scratch, 'created');
    const calls = await traced(['create', `file:${folder}`, 'deep/a', 'x'], folder);
    expect(calls).toEqual([
      'mkdir R',
      'mkdir R/.tidegate',
      'fsync R',
      'mkdir R/.tidegate/tmp',
      'fsync R/.tidegate',
      'fsync R/.tidegate/tmp/TMP',
      'mkdir R/deep',
      'fsync R',
      'link R/.tidegate/tmp/TMP R/deep/a',
      'fsync R/deep',
    ]);
  });

  it('syncs a replacement before it is renamed, and the folder after', async () => {
    const folder = join(scratch, 'replaced');
    const storage = await openFilesystemStorage({ folder, access: 'write' });
    await storage.put('counter', Buffer.from('[]'), {
      condition: { kind: 'create-only' },
      cacheControl: 'no-cache',
    });
    const calls = await traced(['count', `file:${folder}`, 'one', '1'], folder);
    expect(calls.filter((call) => call.includes('TMP'))).toEqual([
      'fsync R/.tidegate/tmp/TMP',
      'rename R/.tidegate/tmp/TMP R/counter',
    ]);
    expect(calls.slice(-2)).toEqual(['rename R/.tidegate/tmp/TMP R/counter', 'fsync R']);
  });
});
