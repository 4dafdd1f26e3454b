import { mkdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { inhibit, INHIBITED, inhibitorsOf, uninhibit } from '../../agent/inhibitors.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const NOW = new Date('2030-06-01T12:00:00Z');
const hours = (count: number) => new Date(NOW.getTime() + count * 3_600_000);

/** A folder of inhibitors, and a way to write a file into it as another program would. */
async function setup() {
  const temporary = await temporaryFolder();
  const folder = join(temporary.path, 'inhibitors');
  await mkdir(folder);
  return {
    folder,
    write: async (name: string, text: string, at = NOW) => {
      await writeFile(join(folder, name), text);
      await utimes(join(folder, name), at, at);
    },
    [Symbol.asyncDispose]: () => temporary[Symbol.asyncDispose](),
  };
}

describe('inhibitors', () => {
  it('hold what they name until they end', async () => {
    await using setting = await setup();
    const { folder, write } = setting;
    const text = JSON.stringify({ why: 'a talk', what: ['reboot'], until: '2030-06-01T13:00:00Z' });
    await write('talk', text);
    expect(await inhibitorsOf(folder, NOW)).toEqual([
      { name: 'talk', why: 'a talk', what: ['reboot'], until: hours(1) },
    ]);
    expect(await inhibitorsOf(folder, hours(1))).toEqual([]);
  });

  it.each([
    { file: 'an empty one', text: '', why: 'no reason given' },
    { file: 'one that is no JSON', text: 'until tomorrow', why: 'its file makes no sense' },
    { file: 'one with a key of its own', text: '{"reason":"x"}', why: 'its file makes no sense' },
    { file: 'one that names nothing', text: '{"what":[]}', why: 'its file makes no sense' },
  ])('$file holds everything for a day after it was written', async ({ text, why }) => {
    await using setting = await setup();
    await setting.write('somebody', text, hours(-23));
    expect(await inhibitorsOf(setting.folder, NOW)).toEqual([
      { name: 'somebody', why, what: INHIBITED, until: hours(1) },
    ]);
    expect(await inhibitorsOf(setting.folder, hours(1))).toEqual([]);
  });

  it('end after thirty days, whatever they say', async () => {
    await using setting = await setup();
    await setting.write('for-ever', '{"until":"9999-01-01T00:00:00Z"}');
    expect(await inhibitorsOf(setting.folder, hours(30 * 24 - 1))).toHaveLength(1);
    expect(await inhibitorsOf(setting.folder, hours(30 * 24))).toEqual([]);
  });

  it('that somebody is writing do not hold yet, and those of a missing folder never', async () => {
    await using setting = await setup();
    await setting.write('half.tmp', '');
    await setting.write('.hidden', '');
    expect(await inhibitorsOf(setting.folder, NOW)).toEqual([]);
    expect(await inhibitorsOf(join(setting.folder, 'missing'), NOW)).toEqual([]);
  });

  it('are written, replaced and taken away by name', async () => {
    await using setting = await setup();
    const folder = join(setting.folder, 'new');
    const inhibitor = { name: 'backup', why: 'nightly', what: INHIBITED, until: hours(1) };
    await inhibit(folder, inhibitor);
    await inhibit(folder, { ...inhibitor, why: 'weekly' });
    await utimes(join(folder, 'backup'), NOW, NOW);
    expect(await inhibitorsOf(folder, NOW)).toEqual([{ ...inhibitor, why: 'weekly' }]);
    expect(await uninhibit(folder, 'backup')).toBe(true);
    expect(await uninhibit(folder, 'backup')).toBe(false);
    expect(await inhibitorsOf(folder, NOW)).toEqual([]);
  });

  it.each(['../lock', '', 'a/b', '.hidden', 'x.tmp', 'x'.repeat(65)])(
    'cannot be called %j',
    async (name) => {
      await using setting = await setup();
      const { folder } = setting;
      const inhibitor = { name, why: 'x', what: INHIBITED, until: hours(1) };
      await expect(inhibit(folder, inhibitor)).rejects.toMatchObject({ code: 'agent/config' });
      await expect(uninhibit(folder, name)).rejects.toMatchObject({ code: 'agent/config' });
    },
  );
});
