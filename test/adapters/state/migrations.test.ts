import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from '@jest/globals';
import { openState } from '../../../adapters/state/open.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { at, host, KIND } from './samples.ts';

const URL = 'sqlite:state.db';

describe('a database of before', () => {
  it('counts the hosts that it knows when it is opened', async () => {
    await using folder = await temporaryFolder();
    const options = { cwd: folder.path };
    {
      await using state = await openState(URL, options);
      await state.touchHosts([host('h1'), host('h2'), host('h3', { version: '1.1.0' })]);
    }
    const old = new DatabaseSync(join(folder.path, 'state.db'));
    old.exec(`drop table host_counts; alter table progress drop column attempt;
      drop table forgotten_verbs; delete from tidegate_migration where name > '0006-leases'`);
    old.close();
    await using state = await openState(URL, options);
    await state.touchHosts([host('h1', { version: '1.1.0', seenAt: at(1) })]);
    const counted = await state.countHosts(KIND);
    expect(counted.toSorted((a, b) => a.hosts - b.hosts)).toEqual([
      { version: '1.0.0', hosts: 1 },
      { version: '1.1.0', hosts: 2 },
    ]);
  });
});
