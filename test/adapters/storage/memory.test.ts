import { describe, expect, it } from '@jest/globals';
import { createMemoryStorage } from '../../../adapters/storage/memory.ts';
import { collect } from '../../support/bytes.ts';
import { describeStorageContract } from './contract.ts';

describeStorageContract('memory', async () => createMemoryStorage());

describe('createMemoryStorage', () => {
  it('starts with the objects it is given, and shares no memory with them', async () => {
    const bytes = Buffer.from('abc');
    const storage = createMemoryStorage([['a', bytes]]);
    bytes.fill(0);
    expect((await collect((await storage.get('a')).body)).toString()).toBe('abc');
  });
});
