import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { withFileLock } from '../../../adapters/storage/file-lock.ts';
import { startStorageWorker } from '../../support/workers.ts';

const scratch = mkdtempSync(join(tmpdir(), 'tidegate-lock-'));
afterAll(() => rmSync(scratch, { recursive: true }));

describe('withFileLock', () => {
  it('lets one action in at a time', async () => {
    const file = join(scratch, 'one-at-a-time');
    let inside = 0;
    let most = 0;
    await Promise.all(
      Array.from({ length: 8 }, () =>
        withFileLock(file, async () => {
          inside += 1;
          most = Math.max(most, inside);
          await new Promise(setImmediate);
          inside -= 1;
        }),
      ),
    );
    expect(most).toBe(1);
  });

  it('lets those in together that share it, and nobody else meanwhile', async () => {
    const file = join(scratch, 'shared');
    const share = { patienceMs: 0, isShared: true };
    const busy = { code: 'storage/unavailable' };
    await withFileLock(
      file,
      async () => {
        expect(await withFileLock(file, async () => 'in', share)).toBe('in');
        const alone = withFileLock(file, async () => 'in', { patienceMs: 0 });
        await expect(alone).rejects.toMatchObject(busy);
      },
      share,
    );
    await withFileLock(file, async () => {
      await expect(withFileLock(file, async () => 'in', share)).rejects.toMatchObject(busy);
    });
  });

  it('is free again after an action that throws', async () => {
    const file = join(scratch, 'throwing');
    const failure = new Error('the action failed');
    await expect(withFileLock(file, () => Promise.reject(failure))).rejects.toBe(failure);
    expect(await withFileLock(file, async () => 'in', { patienceMs: 0 })).toBe('in');
  });

  it('gives up while another process holds it, and gets it once that is killed', async () => {
    const file = join(scratch, 'held');
    await using holder = startStorageWorker(['hold', file]);
    await holder.printed(1);
    expect(holder.lines).toEqual(['held']);
    await expect(withFileLock(file, async () => 'in', { patienceMs: 60 })).rejects.toMatchObject({
      code: 'storage/unavailable',
    });
    const waiting = withFileLock(file, async () => 'in');
    holder.kill();
    expect(await waiting).toBe('in');
    await holder.ended();
  });

  it('writes nothing but an empty file', async () => {
    const folder = mkdtempSync(join(scratch, 'only-'));
    await withFileLock(join(folder, 'lock'), async () => {
      expect(readdirSync(folder)).toEqual(['lock']);
    });
    expect(readdirSync(folder)).toEqual(['lock']);
  });

  it('says storage/denied where no file can be made', async () => {
    await expect(
      withFileLock(join(scratch, 'missing', 'lock'), async () => 'in'),
    ).rejects.toMatchObject({ code: 'storage/denied' });
  });
});
