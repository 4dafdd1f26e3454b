import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { open, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { openDisk } from '../../../agent/slots/disk-file.ts';
import { readPastCache } from '../../../agent/slots/read-past-cache.ts';
import { noise } from '../../support/noise.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { codeOf } from '../error-code.ts';

const run = promisify(execFile);
const READER = join(import.meta.dirname, 'past-cache-reader.ts');
const MIB = 1024 * 1024;
const readSchema = z.object({ sha256: z.string(), fromDevice: z.number() });

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

async function bytesFromDevices(): Promise<number> {
  return Number(/^read_bytes: (\d+)$/m.exec(await readFile('/proc/self/io', 'utf8'))?.[1]);
}

async function pagesInMemory(path: string): Promise<number> {
  const { stdout } = await run('fincore', ['--bytes', '--noheadings', '--output', 'PAGES', path]);
  return Number(stdout);
}

describe('readPastCache on a disk', () => {
  it('has the device give every byte, though all of them lie in the page cache', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'image');
    const bytes = noise(16 * MIB + 100);
    await writeFile(path, bytes);
    await using handle = await open(path, 'r+');
    await handle.sync();
    expect(await readFile(path)).toHaveLength(bytes.length);
    expect(await pagesInMemory(path)).toBe(Math.ceil(bytes.length / 4096));
    const { stdout } = await run(process.execPath, [READER, path]);
    const { sha256: read, fromDevice } = readSchema.parse(JSON.parse(stdout));
    expect(read).toBe(sha256(bytes));
    expect(fromDevice).toBeGreaterThanOrEqual(bytes.length);
  });

  it('has the device give what a partition table is compared with', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'disk.img');
    const bytes = noise(16 * MIB);
    await writeFile(path, bytes);
    await using handle = await open(path, 'r+');
    await handle.sync();
    await using disk = await openDisk(path, 'read-back');
    const before = await bytesFromDevices();
    expect(sha256(await disk.read(512, bytes.length - 1024))).toBe(
      sha256(bytes.subarray(512, -512)),
    );
    expect((await bytesFromDevices()) - before).toBeGreaterThanOrEqual(bytes.length - 1024);
    expect(await codeOf(disk.read(bytes.length - 512, 1024))).toBe('agent/disk');
  });

  it('reads what was written and not yet synced', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'image');
    await writeFile(path, noise(MIB + 1));
    const { stdout } = await run(process.execPath, [READER, path]);
    expect(readSchema.parse(JSON.parse(stdout)).sha256).toBe(sha256(noise(MIB + 1)));
  });

  it('reads behind 4 GiB', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'image');
    const start = 5 * 1024 * MIB - 5000;
    await using handle = await open(path, 'w');
    await handle.write(noise(3 * MIB), 0, 3 * MIB, start);
    const parts: Buffer[] = [];
    for await (const chunk of readPastCache({ path, from: start - 100 })) {
      parts.push(Buffer.from(chunk));
    }
    const expected = Buffer.concat([Buffer.alloc(100), noise(3 * MIB)]);
    expect(Buffer.concat(parts).equals(expected)).toBe(true);
  });

  it('goes on as with any other file when the file system refuses direct reads in the middle', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'image');
    await writeFile(path, noise(5 * MIB));
    await truncate(path, 300 * MIB);
    const expected = createHash('sha256').update(noise(5 * MIB));
    for (let mib = 5; mib < 300; mib += 1) expected.update(Buffer.alloc(MIB));
    // Behind the at most 256 attempts to find an aligned offset, and before the last of 300 chunks.
    const refusal = ['-f', '-qq', '-e', 'inject=pread64:error=EINVAL:when=280'];
    const log = join(folder.path, 'strace');
    const argv = [...refusal, '-e', 'trace=pread64,openat', '-o', log, process.execPath];
    // One thread, because calls are counted by thread.
    const env = { ...process.env, UV_THREADPOOL_SIZE: '1' };
    const { stdout } = await run('strace', [...argv, READER, path], { env });
    expect(readSchema.parse(JSON.parse(stdout)).sha256).toBe(expected.digest('hex'));
    const calls = await readFile(log, 'utf8');
    expect(calls.match(/\(INJECTED\)/g)).toHaveLength(1);
    const opened = calls.split('\n').filter((line) => line.includes(`"${path}"`));
    expect(opened.map((line) => line.includes('O_DIRECT'))).toEqual([true, false]);
  });
});
