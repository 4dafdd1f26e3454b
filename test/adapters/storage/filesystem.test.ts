import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from '@jest/globals';
import { openFilesystemStorage } from '../../../adapters/storage/filesystem.ts';
import { describeStorageContract } from './contract.ts';

const scratch = mkdtempSync(join(tmpdir(), 'tidegate-storage-'));
let folders = 0;

function newFolder(): string {
  folders += 1;
  return join(scratch, `${folders}`, 'repository');
}

afterAll(() => rmSync(scratch, { recursive: true }));

describeStorageContract('filesystem', async () =>
  openFilesystemStorage({ folder: newFolder(), access: 'write' }),
);
