import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { VerityError } from '../../../core/verity/errors.ts';
import { parseSuperblock } from '../../../core/verity/superblock.ts';
import { noise } from '../../support/noise.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { formatted, inChunks, verify } from './trees.ts';

const run = promisify(execFile);
const LARGE = noise(17_000 * 4096);

type Made = { readonly hashImage: Buffer; readonly rootHash: string };

async function veritysetupFormat(
  folder: string,
  data: Buffer,
  options: readonly string[],
): Promise<Made> {
  const [path, hashPath] = [join(folder, 'data'), join(folder, 'hash')];
  await writeFile(path, data);
  const { stdout } = await run('veritysetup', ['format', path, hashPath, ...options]);
  const rootHash = /Root hash:\s+([0-9a-f]+)/.exec(stdout)?.[1] ?? '';
  return { hashImage: await readFile(hashPath), rootHash };
}

async function veritysetupVerify(folder: string, data: Buffer, made: Made): Promise<boolean> {
  const [path, hashPath] = [join(folder, 'data'), join(folder, 'own-hash')];
  await writeFile(path, data);
  await writeFile(hashPath, made.hashImage);
  try {
    await run('veritysetup', ['verify', path, hashPath, made.rootHash]);
    return true;
  } catch (error) {
    // It has several exit codes for it, and one line to all of them.
    if (/Verification of .* failed/.test(String(error))) return false;
    throw error;
  }
}

describe('dm-verity beside veritysetup', () => {
  it.each([
    { case: 'a single block', blocks: 1, options: [] },
    { case: 'two blocks', blocks: 2, options: [] },
    { case: 'one full hash block', blocks: 128, options: [] },
    { case: 'one block more than a hash block holds', blocks: 129, options: [] },
    { case: 'a count that is no power of two', blocks: 1000, options: [] },
    { case: 'a tree that is full to its root', blocks: 128 * 128, options: [] },
    { case: 'three levels', blocks: 128 * 128 + 1, options: [] },
    { case: 'no salt', blocks: 300, options: ['--salt', '-'] },
    { case: 'a salt of one byte', blocks: 300, options: ['--salt', 'a5'] },
    { case: 'the longest salt', blocks: 300, options: ['--salt', '5a'.repeat(256)] },
    { case: 'SHA-512', blocks: 1000, options: ['--hash', 'sha512'] },
    {
      case: 'the smallest blocks',
      blocks: 700,
      options: ['--data-block-size', '512', '--hash-block-size', '512'],
    },
    {
      case: 'data blocks smaller than hash blocks',
      blocks: 700,
      options: ['--data-block-size', '1024', '--hash-block-size', '4096'],
    },
    {
      case: 'data blocks larger than hash blocks, with SHA-512',
      blocks: 500,
      options: ['--data-block-size', '4096', '--hash-block-size', '512', '--hash', 'sha512'],
    },
  ])('makes the same tree and takes each other’s: $case', async ({ blocks, options }) => {
    await using folder = await temporaryFolder();
    const blockSize = options[0] === '--data-block-size' ? Number(options[1]) : 4096;
    const data = LARGE.subarray(0, blocks * blockSize);
    const theirs = await veritysetupFormat(folder.path, data, options);
    const superblock = parseSuperblock(theirs.hashImage);
    expect(superblock.dataBlocks).toBe(blocks);

    const ours = formatted(superblock, inChunks(data, 100_000));
    expect(ours.rootHash).toBe(theirs.rootHash);
    expect(ours.hashImage.equals(theirs.hashImage)).toBe(true);

    verify(theirs.hashImage, theirs.rootHash, inChunks(data, 1024 * 1024));
    expect(await veritysetupVerify(folder.path, data, ours)).toBe(true);
  });

  it('refuses what veritysetup refuses: a changed byte of the data, the tree, or the root hash', async () => {
    await using folder = await temporaryFolder();
    const data = LARGE.subarray(0, 300 * 4096);
    const made = await veritysetupFormat(folder.path, data, []);
    const flipped = (bytes: Buffer, at: number) => {
      const copy = Buffer.from(bytes);
      copy[at] = (copy[at] ?? 0) ^ 1;
      return copy;
    };
    const cases = [
      { data: flipped(data, 123 * 4096 + 5), made },
      { data, made: { ...made, hashImage: flipped(made.hashImage, 2 * 4096 + 77) } },
      { data, made: { ...made, hashImage: flipped(made.hashImage, 4096 + 3 * 32) } },
      { data, made: { ...made, rootHash: '00'.repeat(32) } },
    ];
    for (const wrong of cases) {
      expect(await veritysetupVerify(folder.path, wrong.data, wrong.made)).toBe(false);
      expect(() => verify(wrong.made.hashImage, wrong.made.rootHash, [wrong.data])).toThrow(
        VerityError,
      );
    }
    expect(await veritysetupVerify(folder.path, data, made)).toBe(true);
  });

  it('reads a tree that was appended to its data, as if it were an image of its own', async () => {
    await using folder = await temporaryFolder();
    const data = LARGE.subarray(0, 1000 * 4096);
    const path = join(folder.path, 'both');
    await writeFile(path, data);
    const offset = ['--hash-offset', String(data.length), '--data-blocks', '1000'];
    const { stdout } = await run('veritysetup', ['format', path, path, ...offset]);
    const rootHash = /Root hash:\s+([0-9a-f]+)/.exec(stdout)?.[1] ?? '';
    const both = await readFile(path);
    expect(both.subarray(0, data.length).equals(data)).toBe(true);
    const hashImage = both.subarray(data.length);
    verify(hashImage, rootHash, [data]);
    expect(await veritysetupVerify(folder.path, data, { hashImage, rootHash })).toBe(true);
  });
});
