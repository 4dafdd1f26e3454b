import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { runCli } from '../../bin/cli.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { run } from './made-package.ts';

const SOURCE = join(import.meta.dirname, '..', '..', 'packaging', 'systemd');
/** systemd's own measure times ten, from 0 to 100; without any hardening a service has 96. */
const MOST_EXPOSED = 20;
const env = { PATH: process.env['PATH'], LC_ALL: 'C' };

const NOWHERE = { write: () => true };

const units = (await readdir(SOURCE)).filter((name) => /\.(?:service|timer)$/.test(name));
const services = units.filter((name) => name.endsWith('.service'));

/** The units in a folder of their own, after a change. The program that they start is no part of what is asked. */
async function unitsAfter(change: (text: string) => string = (text) => text) {
  const folder = await temporaryFolder();
  await cp(SOURCE, folder.path, { recursive: true });
  for (const name of units) {
    const text = await readFile(join(folder.path, name), 'utf8');
    const started = text.replaceAll(
      /=(?:\/usr\/bin\/tidegate |\/usr\/lib\/tidegate\/\S+$)/gm,
      '=/bin/true ',
    );
    await writeFile(join(folder.path, name), change(started));
  }
  const pathOf = (name: string) => join(folder.path, name);
  return {
    verify: () => run('systemd-analyze', ['verify', '--man=no', ...units.map(pathOf)], { env }),
    security: (name: string, ...more: readonly string[]) =>
      run('systemd-analyze', ['security', '--offline=true', ...more, pathOf(name)], { env }),
    pathOf,
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

describe('the units', () => {
  it('are understood by systemd, every line of them', async () => {
    await using written = await unitsAfter();
    expect(await written.verify()).toEqual({ code: 0, stdout: '', stderr: '' });
    await using wrong = await unitsAfter((text) =>
      text.replace('TimeoutStartSec', 'TimeoutStrtSec'),
    );
    expect((await wrong.verify()).stderr).toContain("'TimeoutStrtSec'");
  });

  it.each(services)('%s may do no more than it must', async (name) => {
    await using written = await unitsAfter();
    const judged = await written.security(name, `--threshold=${MOST_EXPOSED}`);
    expect({ code: judged.code, said: judged.stdout.split('\n').at(-2) }).toMatchObject({
      code: 0,
    });
  });

  it('would be found too weak without their common part', async () => {
    await using written = await unitsAfter();
    await writeFile(written.pathOf('tidegate-agent-.service.d/hardening.conf'), '[Service]\n');
    const judged = await written.security(services[0] ?? '', `--threshold=${MOST_EXPOSED}`);
    expect(judged.code).not.toBe(0);
  });

  it('call commands that there are, with options that these have', async () => {
    const lines = (await linesOf()).filter((line) => line.includes('/usr/bin/tidegate'));
    expect(lines.length).toBeGreaterThan(4);
    for (const line of lines) {
      const [, ...words] = line.split(' ');
      let help = '';
      const io = { stdout: { write: (text: string) => (help += text) }, stderr: NOWHERE };
      const rest = { env: {}, cwd: '/', now: () => new Date(0), signal: AbortSignal.abort() };
      const options = words.filter((word) => word.startsWith('--'));
      const end = words.findIndex((word) => word.startsWith('--'));
      const path = end === -1 ? words : words.slice(0, end);
      expect(await runCli([...path, '--help'], { ...io, ...rest })).toBe(0);
      for (const option of options) expect(help).toContain(`  ${option} `);
    }
  });

  it('ask before a boot whether a release is on trial, and else do not boot', async () => {
    expect(await linesOf('tidegate-agent-deadline.service')).toEqual([
      'ExecCondition=/usr/lib/tidegate/is-on-trial',
      'ExecStart=/usr/bin/systemctl reboot',
    ]);
  });

  it('read the configuration that a command by hand reads, from all places of the system', async () => {
    const lines = (await linesOf()).filter((line) => line.includes('/usr/bin/tidegate'));
    expect(lines.filter((line) => line.includes('--config'))).toEqual([]);
  });

  it('leave the configuration in /run where it is when the agent stops', async () => {
    const text = await readFile(join(SOURCE, 'tidegate-agent-run.service'), 'utf8');
    expect(text).toContain('RuntimeDirectory=tidegate\nRuntimeDirectoryPreserve=yes\n');
  });

  it.each(['tidegate-agent-once.service', 'tidegate-agent-run.service'])(
    '%s runs on a release that was found good whatever else of the boot failed',
    async (name) => {
      const text = await readFile(join(SOURCE, name), 'utf8');
      expect(text).not.toMatch(/^(?:Requires|Requisite|BindsTo)=/m);
      expect(text).not.toMatch(/^\w+=.*boot-complete\.target/m);
    },
  );

  it('have a release on trial given up and reported before the deadline boots it away', async () => {
    const timer = await readFile(join(SOURCE, 'tidegate-agent-deadline.timer'), 'utf8');
    const once = await readFile(join(SOURCE, 'tidegate-agent-once.timer'), 'utf8');
    const gate = await readFile(join(SOURCE, '../debian/10-boot-complete.toml'), 'utf8');
    const minutes = (text: string, pattern: RegExp) => Number(pattern.exec(text)?.[1]);
    const checked = minutes(once, /^OnBootSec=(\d+)min$/m) + minutes(gate, /'(\d+) minutes'/);
    expect(checked).toBeLessThan(minutes(timer, /^OnBootSec=(\d+)min$/m));
    const confirm = await readFile(join(SOURCE, 'tidegate-agent-confirm.service'), 'utf8');
    expect(confirm).toMatch(/^Wants=boot-complete\.target$/m);
    expect(confirm).not.toMatch(/^(?:Requires|After)=.*boot-complete\.target/m);
  });

  it('may write the files that docs/agent.md shows as outputs', async () => {
    const docs = await readFile(join(SOURCE, '../../docs/agent.md'), 'utf8');
    const cage = await readFile(join(SOURCE, 'tidegate-agent-.service.d/hardening.conf'), 'utf8');
    const [, paths = ''] = /^ReadWritePaths=(.*)$/m.exec(cage) ?? [];
    const [, logs = ''] = /^LogsDirectory=(.*)$/m.exec(cage) ?? [];
    const folders = [`/var/log/${logs}`, ...paths.split(' ').map((path) => path.slice(1))];
    const outputs = [...docs.matchAll(/^(?:textfile|file) = '(.*)'/gm)].map(
      ([, path = '']) => path,
    );
    expect(outputs).toHaveLength(2);
    for (const path of outputs) {
      expect(folders.filter((folder) => path.startsWith(`${folder}/`))).toHaveLength(1);
    }
  });
});

/** The programs that units start, line by line. */
async function linesOf(...names: readonly string[]): Promise<readonly string[]> {
  const texts = (names.length === 0 ? services : names).map((name) =>
    readFile(join(SOURCE, name), 'utf8'),
  );
  return (await Promise.all(texts)).flatMap((text) =>
    text.split('\n').filter((line) => line.startsWith('Exec')),
  );
}
