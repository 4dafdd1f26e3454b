import { mkdir, readFile, rm, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { PersistError, RuntimeError } from 'tuf-js/dist/error.js';
import { refreshRepository } from '../../../agent/tuf/client.ts';
import { translateTufError } from '../../../agent/tuf/errors.ts';
import { AgentError } from '../../../agent/errors.ts';
import { hostWorld } from '../../support/host-world.ts';
import { tufOptionsOf } from '../../support/tuf-options.ts';

const text = (errno: string) =>
  `Failed to persist metadata snapshot error: Error: ${errno}: the disk says no, write`;

describe('a refresh on a disk that fails', () => {
  it('says so where it cannot make its scratch folder', async () => {
    await using world = await hostWorld();
    const options = tufOptionsOf(world);
    const scratch = join(options.folder, 'scratch');
    await mkdir(dirname(options.folder), { recursive: true });
    // Nothing is found through it, and nothing can be made.
    await symlink(join('nowhere', 'deep'), options.folder);
    await expect(refreshRepository(options)).rejects.toMatchObject({
      code: 'agent/disk',
      message: expect.stringContaining(scratch),
    });
  });

  it.each(['timestamp', 'snapshot', 'targets'])(
    'does not take a %s that cannot be read for one that is not there',
    async (role) => {
      await using world = await hostWorld();
      const options = tufOptionsOf(world);
      await refreshRepository(options);
      const store = join(options.folder, 'metadata.json');
      const before = await readFile(store);
      await world.publish('1.2.0');
      // It is unreadable from before it is looked at until its successor is asked for, and can be written again then.
      const file = join(options.folder, 'scratch', `${role}.json`);
      world.tamper = async (path) => {
        if (path.endsWith('root.json')) {
          await rm(file);
          await mkdir(file);
        } else if (path.endsWith(`${role}.json`)) await rm(file, { recursive: true });
        return null;
      };
      await expect(refreshRepository(options)).rejects.toMatchObject({ code: 'agent/disk' });
      expect(await readFile(store)).toEqual(before);
    },
  );

  it.each([
    { case: 'refuses', error: new PersistError(text('EIO')), code: 'agent/disk' },
    { case: 'is full', error: new PersistError(text('ENOSPC')), code: 'agent/full' },
    {
      case: 'refuses what tuf-js wraps again',
      error: new RuntimeError(`Unable to load snapshot metadata error Error: ${text('EROFS')}`),
      code: 'agent/disk',
    },
    {
      case: 'does not read',
      error: Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO', syscall: 'read' }),
      code: 'agent/disk',
    },
  ])('tells metadata that the disk $case from metadata that does not hold', ({ error, code }) => {
    const unreachable = new AgentError('agent/unreachable', 'an earlier failure of the network');
    expect(translateTufError(error, unreachable).code).toBe(code);
  });
});
