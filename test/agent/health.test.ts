import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { checkHealth } from '../../agent/health.ts';
import type { Program } from '../../agent/programs.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

async function setup(programs: Readonly<Record<string, string>>) {
  const temporary = await temporaryFolder();
  const { path: folder } = temporary;
  await mkdir(join(folder, 'not-a-program'));
  await writeFile(join(folder, 'README'), 'not executable');
  for (const [name, script] of Object.entries(programs)) {
    await writeFile(join(folder, name), `#!/bin/sh\n${script}\n`);
    await chmod(join(folder, name), 0o755);
  }
  return {
    folder,
    check: (change: { command?: Program; timeoutMs?: number; folder?: string } = {}) =>
      checkHealth({
        ...{ unit: null, command: null, confirm: 'automatic' as const },
        ...{ folder, timeoutMs: 60_000, ...change },
      }),
    /** Of the unit alone, by a program of the folder that answers as systemctl does. */
    checkUnit: (systemctl: string) =>
      checkHealth(
        {
          ...{ unit: 'boot-complete.target', folder: null, command: null, timeoutMs: 60_000 },
          confirm: 'automatic',
        },
        undefined,
        join(folder, systemctl),
      ),
    [Symbol.asyncDispose]: () => temporary[Symbol.asyncDispose](),
  };
}

describe('checkHealth', () => {
  it('asks the programs of the folder in order of name, then the command', async () => {
    await using host = await setup({ '20-b': 'echo b >> "$0.log"; true', '10-a': 'true' });
    expect(await host.check({ command: ['/bin/true'] })).toEqual({ isGood: true, message: '' });
    const { isGood, message } = await host.check({ command: ['/bin/false'] });
    expect([isGood, message]).toEqual([false, '/bin/false exited with 1']);
  });

  it('ends with the first that says no, and tells which and what it said', async () => {
    await using host = await setup({
      '10-disk': 'echo disk is full >&2; exit 3',
      '20-never': 'touch "$0.ran"',
    });
    const { isGood, message } = await host.check();
    expect(isGood).toBe(false);
    expect(message).toBe(`${join(host.folder, '10-disk')} exited with 3: disk is full`);
    expect((await host.check()).message).toContain('10-disk');
  });

  it('kills what lasts longer than all of them together may', async () => {
    await using host = await setup({ '10-hangs': 'sleep 60' });
    const { isGood, message } = await host.check({ timeoutMs: 50 });
    expect([isGood, message]).toEqual([false, expect.stringMatching(/was killed after \d+ ms$/)]);
  });

  it('takes a host for well that has nothing to prove it', async () => {
    await using host = await setup({});
    expect((await host.check()).isGood).toBe(true);
    expect((await host.check({ folder: join(host.folder, 'missing') })).isGood).toBe(true);
  });

  it('takes a host for well whose unit is there', async () => {
    await using host = await setup({ systemctl: 'test "$*" = "start boot-complete.target"' });
    expect((await host.checkUnit('systemctl')).isGood).toBe(true);
  });

  it('tells of a unit that does not come what failed, too', async () => {
    await using host = await setup({
      systemctl: `case $1 in
        start) echo 'A dependency job for boot-complete.target failed.' >&2; exit 1;;
        is-system-running) echo degraded; exit 1;;
        list-units) echo 'host-is-well.service loaded failed failed';;
      esac`,
    });
    const { isGood, message } = await host.checkUnit('systemctl');
    expect(isGood).toBe(false);
    expect(message).toMatch(/exited with 1: A dependency job .*\nhost-is-well\.service/);
  });

  it('does not take a shutdown that cancels the unit for bad health', async () => {
    await using host = await setup({
      systemctl: `case $1 in
        start) echo 'Job for boot-complete.target canceled.' >&2; exit 1;;
        is-system-running) echo stopping; exit 1;;
      esac`,
    });
    await expect(host.checkUnit('systemctl')).rejects.toMatchObject({ code: 'agent/stopped' });
  });
});
