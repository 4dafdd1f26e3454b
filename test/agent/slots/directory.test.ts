import {
  mkdir,
  open,
  readFile,
  readlink,
  rm,
  symlink,
  truncate,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { directorySlots } from '../../../agent/slots/directory.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { codeOf } from '../error-code.ts';
import { describeSlotsContract } from './contract.ts';
import { fillInactive, install } from './install.ts';
import { sampleRelease } from './releases.ts';

const FIRST = sampleRelease('1.0.0');
const SECOND = sampleRelease('1.1.0');

async function setup() {
  const folder = await temporaryFolder();
  const path = join(folder.path, 'slots');
  return {
    path,
    slots: directorySlots(path),
    at: (...parts: readonly string[]) => join(path, ...parts),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

async function changeByte(path: string): Promise<void> {
  const handle = await open(path, 'r+');
  await handle.write(Buffer.from([0xff]), 0, 1, 100);
  await handle.close();
}

describeSlotsContract('directorySlots', async () => {
  const { path, at, [Symbol.asyncDispose]: dispose } = await setup();
  return {
    open: () => directorySlots(path),
    async damageInactive(image) {
      const active = await readlink(at('active')).catch(() => 'b');
      await changeByte(at(active === 'a' ? 'b' : 'a', image));
    },
    [Symbol.asyncDispose]: dispose,
  };
});

describe('directorySlots', () => {
  it('lays the images out as raw files behind one relative link', async () => {
    await using test = await setup();
    await install(test.slots, FIRST);
    expect(await readlink(test.at('active'))).toBe('a');
    expect(await readFile(test.at('active', 'root'))).toEqual(FIRST.images['root']);
    expect(await readFile(test.at('active', 'release.json'))).toEqual(Buffer.from(FIRST.document));
  });

  it('leaves nothing of an earlier release in a cleared slot', async () => {
    await using test = await setup();
    await mkdir(test.at('a', 'folder'), { recursive: true });
    await writeFile(test.at('a', 'left-over'), 'x');
    await test.slots.clearInactive();
    await fillInactive(test.slots, FIRST);
    await expect(readFile(test.at('a', 'left-over'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it.each([
    {
      case: 'a seal that is cut off',
      damage: (slot: string) => truncate(join(slot, 'sealed.json'), 40),
    },
    { case: 'an empty seal', damage: (slot: string) => truncate(join(slot, 'sealed.json'), 0) },
    { case: 'a changed seal', damage: (slot: string) => changeByte(join(slot, 'sealed.json')) },
    { case: 'no document', damage: (slot: string) => unlink(join(slot, 'release.json')) },
    {
      case: 'another document',
      damage: (slot: string) => writeFile(join(slot, 'release.json'), SECOND.document),
    },
    { case: 'a missing image', damage: (slot: string) => unlink(join(slot, 'boot')) },
    { case: 'a shorter image', damage: (slot: string) => truncate(join(slot, 'root'), 10) },
    {
      case: 'a link in place of an image',
      damage: async (slot: string) => {
        await unlink(join(slot, 'boot'));
        await symlink('root', join(slot, 'boot'));
      },
    },
  ])('takes a slot with $case for unsealed', async ({ damage }) => {
    await using test = await setup();
    await fillInactive(test.slots, FIRST);
    await damage(test.at('a'));
    expect(await test.slots.read()).toMatchObject({ active: null, inactive: null });
    expect(await codeOf(test.slots.activate('1.0.0'))).toBe('agent/slots');
  });

  it('says so when the active slot lost its seal, and still writes only the other', async () => {
    await using test = await setup();
    await install(test.slots, FIRST);
    await unlink(test.at('a', 'sealed.json'));
    expect(await codeOf(test.slots.read())).toBe('agent/slots');
    await install(test.slots, SECOND);
    expect(await readlink(test.at('active'))).toBe('b');
    expect(await readFile(test.at('a', 'root'))).toEqual(FIRST.images['root']);
  });

  it.each([
    { case: 'leads elsewhere', make: (link: string) => symlink('../elsewhere', link) },
    { case: 'is a file', make: (link: string) => writeFile(link, 'a') },
    { case: 'is a folder', make: (link: string) => mkdir(link) },
  ])(
    'clears nothing when the link $case, because either slot may be the running one',
    async ({ make }) => {
      await using test = await setup();
      await install(test.slots, FIRST);
      await install(test.slots, SECOND);
      await rm(test.at('active'));
      await make(test.at('active'));
      expect(await codeOf(test.slots.clearInactive())).toBe('agent/slots');
      expect(await codeOf(test.slots.read())).toBe('agent/slots');
      expect(await readFile(test.at('a', 'root'))).toEqual(FIRST.images['root']);
      expect(await readFile(test.at('b', 'root'))).toEqual(SECOND.images['root']);
    },
  );

  it('activates over what a killed agent left of its link', async () => {
    await using test = await setup();
    await fillInactive(test.slots, FIRST);
    await symlink('b', test.at('active.tmp'));
    await test.slots.activate('1.0.0');
    expect(await readlink(test.at('active'))).toBe('a');
  });

  it('reports a disk that does not let it', async () => {
    await using test = await setup();
    await writeFile(test.path, 'a file where the folder should be');
    expect(await codeOf(test.slots.clearInactive())).toBe('agent/disk');
  });
});
