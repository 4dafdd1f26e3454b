import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { CommandSlots } from '../../../agent/slots/command.ts';
import { fillInactive, install } from './install.ts';
import { sampleRelease } from './releases.ts';
import { changedExample, SYSTEMD_BOOT_EXAMPLE, systemdBootHost } from './systemd-boot-host.ts';
import type { SystemdBootHost } from './systemd-boot-host.ts';

const run = promisify(execFile);
const FIRST = sampleRelease('1.0.0');
const SECOND = sampleRelease('1.1.0');

/** The same host, every operation of whose program is followed by strace. */
async function tracedSlots({ folder, program }: SystemdBootHost) {
  const log = join(folder, 'strace');
  const calls = 'trace=fsync,syncfs,rename,renameat,renameat2,unlink,unlinkat,mkdir,write';
  const wrapper = ['strace', '-f', '-y', '-s', '120', '-A', '-o', log, '-e', calls] as const;
  await writeFile(log, '');
  return {
    slots: new CommandSlots({ program: [...wrapper, ...program], timeoutMs: 60_000 }),
    calls: async () => changesOf(await readFile(log, 'utf8')),
  };
}

type Change = { readonly call: string; readonly paths: readonly string[] };

/** What was done to names and files, and the answers, in the order in which the kernel finished it. */
function changesOf(log: string): readonly Change[] {
  return log.split('\n').flatMap((line) => {
    const [, call = '', rest = ''] = /^\d+ +(\w+)\((.*)\) += \d+$/.exec(line) ?? [];
    if (call === 'write') {
      if (rest.includes(String.raw`{\"protocol\"`)) return [{ call: 'answer', paths: [] }];
      const path = /^\d+<([^>]+)>/.exec(rest)?.[1];
      return path?.startsWith('/') === true && path !== '/dev/null'
        ? [{ call: 'write', paths: [path] }]
        : [];
    }
    // A name is quoted; an open file, and the folder that a name starts at, is in angle brackets.
    const pattern = call === 'fsync' ? /<([^>]*)>/g : /"([^"]*)"/g;
    const paths = [...rest.matchAll(pattern)].map(([, path = '']) => path);
    return call === '' ? [] : [{ call: call.replace(/at2?$/, ''), paths }];
  });
}

/** What an answer promises although a power loss could still undo it. */
function undurable(changes: readonly Change[]): readonly string[] {
  const found: string[] = [];
  let names: { readonly folder: string; readonly text: string }[] = [];
  let dirty: string[] = [];
  for (const { call, paths } of changes) {
    const [first = '', last = first] = [paths[0], paths.at(-1)];
    if (call === 'fsync') {
      names = names.filter(({ folder }) => folder !== first);
      dirty = dirty.filter((path) => path !== first);
    } else if (call === 'write') {
      dirty = [...dirty, first];
    } else if (call === 'answer') {
      found.push(...names.map(({ text }) => text), ...dirty.map((path) => `write ${path}`));
      [names, dirty] = [[], []];
    } else {
      if (call === 'rename' && dirty.includes(first)) found.push(`rename of unsynced ${first}`);
      names = [...names, { folder: dirname(last), text: `${call} ${last}` }];
    }
  }
  return found;
}

/** An update that is taken back, made after all and found good. */
async function changesOfAnUpdate(host: SystemdBootHost): Promise<readonly Change[]> {
  const { slots, calls } = await tracedSlots(host);
  await install(slots, FIRST);
  await host.boot();
  await install(slots, SECOND);
  await slots.deactivate('1.0.0');
  await slots.activate('1.1.0');
  await host.boot();
  await slots.markGood();
  await slots.clearInactive();
  return calls();
}

describe('the example for systemd-boot, seen from the kernel', () => {
  it('answers when files and names are synced, and renames nothing that is not', async () => {
    await using host = await systemdBootHost();
    const changes = await changesOfAnUpdate(host);
    const count = (wanted: string) => changes.filter(({ call }) => call === wanted).length;
    expect(count('answer')).toBeGreaterThan(20);
    expect(count('rename')).toBeGreaterThan(8);
    expect(count('unlink')).toBeGreaterThan(4);
    expect(undurable(changes)).toEqual([]);
  });

  it.each([
    { case: 'a name', line: '  durable "${2%/*}"\n', promises: /^rename / },
    { case: 'a file', line: '  durable "$1.tmp"\n', promises: /^rename of unsynced / },
  ])('would be seen not to sync $case', async ({ line, promises }) => {
    await using changed = await changedExample(line, '');
    await using host = await systemdBootHost({ script: changed.script });
    expect(undurable(await changesOfAnUpdate(host))).toContainEqual(
      expect.stringMatching(promises),
    );
  });
});

describe('the example for systemd-boot', () => {
  /** The slots of our entries, in the order in which systemd itself sorts them. */
  async function order({ folder }: SystemdBootHost): Promise<readonly string[]> {
    const esp = join(folder, 'esp');
    // It only reads what is the root of a file system: so it is made one, for this process alone.
    const lines =
      'mount --bind "$0" "$0" && SYSTEMD_RELAX_ESP_CHECKS=1 bootctl --esp-path="$0" --json=short list';
    const { stdout } = await run('unshare', ['--mount', '/bin/sh', '-c', lines, esp]);
    return [...stdout.matchAll(/"id":"(tidegate-[ab])/g)].map(([, id = '']) => id);
  }

  it('has its entries sorted by systemd as it says what boots next', async () => {
    await using host = await systemdBootHost();
    await install(host.slots(), FIRST);
    await host.boot();
    expect(await order(host)).toEqual(['tidegate-a']);
    await install(host.slots(), SECOND);
    expect(await order(host)).toEqual(['tidegate-b', 'tidegate-a']);
    for (let boots = 0; boots < 3; boots += 1) await host.boot();
    expect(await order(host)).toEqual(['tidegate-a', 'tidegate-b']);
    await host.boot();
    await host.slots().deactivate('1.0.0');
    expect(await order(host)).toEqual(['tidegate-a']);
    await fillInactive(host.slots(), SECOND);
    await host.slots().activate('1.1.0');
    await host.boot();
    await host.slots().markGood();
    expect(await order(host)).toEqual(['tidegate-b', 'tidegate-a']);
    await host.slots().deactivate('1.0.0');
    expect(await order(host)).toEqual(['tidegate-a', 'tidegate-b']);
  });

  it('is a portable script without a finding of shellcheck', async () => {
    const { stdout } = await run('shellcheck', [
      '-x',
      '-P',
      'SCRIPTDIR',
      SYSTEMD_BOOT_EXAMPLE,
    ]).catch((error: unknown) => z.object({ stdout: z.string() }).parse(error));
    expect(stdout).toBe('');
  });
});
