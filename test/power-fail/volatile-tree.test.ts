import { describe, expect, it } from '@jest/globals';
import { everyPick } from '../support/picks.ts';
import type { Operation } from './operations.ts';
import { VolatileTree } from './volatile-tree.ts';
import type { Area, Content } from './volatile-tree.ts';

const file = (text: string): Content => ({ kind: 'file', bytes: Buffer.from(text) });
const OLD = new Map([['name', file('old')]]);

const write = (path: string, text: string, at = 0): Operation => ({
  ...{ kind: 'write', path, at },
  bytes: Buffer.from(text),
});
const sync = (path: string, offsets: readonly number[] = [0]): Operation => ({
  ...{ kind: 'sync', path, offsets },
});
const make = (path: string): Operation => ({ kind: 'make-file', path });
const rename: Operation = { kind: 'rename', from: 'name.tmp', path: 'name' };

/** What a power loss may leave of these files, each state once. */
function statesAfter(
  begin: ReadonlyMap<string, Content>,
  operations: readonly Operation[],
  areas: ReadonlyMap<string, readonly Area[]> = new Map(),
): ReadonlySet<string> {
  const tree = new VolatileTree(begin, { unitBytes: 4, areas });
  for (const operation of operations) tree.apply(operation);
  const states = [...everyPick(tree.ways())].map((picks) =>
    [...tree.after(picks)]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([path, content]) =>
        content.kind === 'file' ? `${path}=${Buffer.from(content.bytes).toString()}` : path,
      )
      .join(' ')
      .replaceAll('\0', '0'),
  );
  return new Set(states);
}

describe('a file system that promises no more than POSIX does', () => {
  it('keeps or loses each unit and each length of a file that is not synced', () => {
    expect(statesAfter(OLD, [write('name', 'abcdEF')])).toEqual(
      new Set(
        ['name=old', 'name=abc', 'name=old0', 'name=abcd'].concat([
          'name=old000',
          'name=abcd00',
          'name=old0EF',
          'name=abcdEF',
        ]),
      ),
    );
  });

  it('finds a file that was synced and whose folder was not by its old name or not at all', () => {
    const made = [make('name.tmp'), write('name.tmp', 'new'), sync('name.tmp')];
    expect(statesAfter(new Map(), made)).toEqual(new Set(['', 'name.tmp=new']));
  });

  it('replaces a file in one step where bytes, renaming and folder are synced in this order', () => {
    const replaced = [make('name.tmp'), write('name.tmp', 'new'), sync('name.tmp'), rename];
    expect(statesAfter(OLD, replaced)).toEqual(
      new Set(['name=old', 'name=old name.tmp=new', 'name=new']),
    );
    expect(statesAfter(OLD, [...replaced, sync('.')])).toEqual(new Set(['name=new']));
  });

  it('leaves an empty file under the name where the bytes are not synced before the renaming', () => {
    const states = statesAfter(OLD, [make('name.tmp'), write('name.tmp', 'new'), rename]);
    expect(states).toContain('name=');
  });

  it('makes durable through the device of a partition what was written through it alone', () => {
    const disk = new Map([['disk', file('aaaabbbb')]]);
    const areas = new Map([['disk', [{ from: 4, to: 8 }]]]);
    const written = [write('disk', 'AAAA'), write('disk', 'BBBB', 4)];
    expect(statesAfter(disk, [...written, sync('disk', [4])], areas)).toEqual(
      new Set(['disk=aaaaBBBB', 'disk=AAAABBBB']),
    );
    expect(statesAfter(disk, [...written, sync('disk', [])], areas)).toEqual(
      new Set(['disk=AAAAbbbb', 'disk=AAAABBBB']),
    );
  });
});
