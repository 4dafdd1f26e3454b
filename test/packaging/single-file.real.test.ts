import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { bundleAgent } from '../../packaging/bundle.ts';
import { provision } from '../../agent/provision.ts';
import { hostWorld, sendTo } from '../support/host-world.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { makePackage, run } from './made-package.ts';
import type { MadePackage } from './made-package.ts';

const FILE = { form: 'the single file', name: 'tidegate', before: [] };
const SCRIPT = {
  form: 'the script for hosts with Node',
  name: 'tidegate.cjs',
  before: [process.execPath],
};

let made: MadePackage;
beforeAll(async () => {
  made = await makePackage();
}, 600_000);
afterAll(async () => {
  await made[Symbol.asyncDispose]();
});

/** Runs one form of the program where nothing else can be found. */
function tidegate(
  { name, before }: { readonly name: string; readonly before: readonly string[] },
  parameters: readonly string[],
  env: NodeJS.ProcessEnv = {},
) {
  const [program = '', ...rest] = [...before, made.pathOf(name), ...parameters];
  return run(program, rest, { env: { PATH: '', ...env } });
}

describe.each([FILE, SCRIPT])('$form', (form) => {
  it('has the commands of the agent and no others, and exits as the whole program does', async () => {
    const help = await tidegate(form, ['--help']);
    expect(help).toMatchObject({ code: 0, stderr: '' });
    expect(help.stdout).toMatch(/^Commands:\n {2}agent .*\n {2}help .*\n$/m);
    expect((await tidegate(form, ['publish'])).code).toBe(2);
    const missing = await tidegate(form, ['agent', 'status', '--config', '/nowhere/agent.toml']);
    expect(missing).toMatchObject({
      code: 1,
      stderr: 'tidegate: error: cannot read /nowhere/agent.toml: ENOENT\n',
    });
  });

  it('updates a host', async () => {
    await using world = await hostWorld({ now: new Date() });
    await provision(await world.agent(), '1.0.0');
    await world.start('1.1.0');
    world.answer = sendTo('1.1.0');
    const cycle = await tidegate(form, ['agent', 'once', '--config', world.configFile, '--json']);
    expect({ ...cycle, stderr: '' }).toMatchObject({ code: 0 });
    expect(JSON.parse(cycle.stdout)).toMatchObject({ result: 'updated', to: '1.1.0' });
    expect(await world.activeVersion()).toBe('1.1.0');
  });

  it('stays, and starts itself anew for each cycle', async () => {
    await using world = await hostWorld({ now: new Date() });
    await provision(await world.agent(), '1.0.0');
    await world.start('1.1.0');
    world.answer = sendTo('1.1.0');
    const [program, ...rest] = [...form.before, made.pathOf(form.name)];
    const daemon = spawn(program, [...rest, 'agent', 'run', '--config', world.configFile], {
      env: { PATH: '' },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const ended = once(daemon, 'exit');
    for await (const line of createInterface({ input: daemon.stderr })) {
      if (line.includes('"msg":"cycle"')) break;
    }
    expect(await world.activeVersion()).toBe('1.1.0');
    daemon.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
  });
});

describe('the single file', () => {
  it('runs no code that NODE_OPTIONS names, which the script does', async () => {
    await using folder = await temporaryFolder();
    const stolen = join(folder.path, 'stolen');
    const evil = join(folder.path, 'evil.cjs');
    await writeFile(evil, `require('node:fs').writeFileSync(${JSON.stringify(stolen)}, '')`);
    const env = { NODE_OPTIONS: `--require ${evil}` };
    const isStolen = () =>
      access(stolen).then(
        () => true,
        () => false,
      );
    expect((await tidegate(FILE, ['--help'], env)).code).toBe(0);
    expect(await isStolen()).toBe(false);
    expect((await tidegate(SCRIPT, ['--help'], env)).code).toBe(0);
    expect(await isStolen()).toBe(true);
  });
});

describe('the script for hosts with Node', () => {
  it('says which Node it needs to one that is too old', async () => {
    const older = `Object.defineProperty(process.versions, 'node', { value: '24.14.9' });`;
    const load = `require(${JSON.stringify(made.pathOf('tidegate.cjs'))})`;
    const told = await run(process.execPath, ['--eval', `${older} ${load}`]);
    expect(told).toMatchObject({ code: 1, stdout: '' });
    expect(told.stderr).toMatch(/^tidegate: error: needs Node 24\.15 or newer, this is v[\d.]+\n$/);
  });
});

describe('the bundle', () => {
  it('holds nothing of the server, of its databases, and of keys in tokens and clouds', async () => {
    const notices = await readFile(made.pathOf('NOTICES'), 'utf8');
    const packages = [...notices.matchAll(/^## (\S+) \d/gm)].map(([, name = '']) => name);
    expect(packages).toEqual(expect.arrayContaining(['commander', 'pino', 'tuf-js', 'zod']));
    const ofOthers = /^(?:express|pg|kysely|koffi|prom-client|cli-progress|yaml|@aws-sdk|@smithy)/;
    expect(packages.filter((name) => ofOthers.test(name))).toEqual([]);
    const { sources } = await bundleAgent();
    expect(sources).toContain('agent/cycle.ts');
    expect(sources.filter((path) => /^(?:server|repo-tools)\//.test(path))).toEqual([]);
  });

  it('holds no messages of zod in other languages: V8 would keep them in the memory of every host', async () => {
    expect((await bundleAgent()).code).not.toContain('Entrada inv');
  });
});

describe('npm run package', () => {
  it('makes the same bytes again, whatever the user mask, the time zone and the language are', async () => {
    await using again = await makePackage([], {
      mask: '077',
      env: { TZ: 'Asia/Tokyo', LC_ALL: 'C', NODE_OPTIONS: '--no-warnings', HOME: '/nowhere' },
    });
    expect(again.said).toBe(made.said);
    const names = made.said.split('\n').flatMap((line) => line.split('  ')[1] ?? []);
    expect(names).toEqual(['tidegate', 'tidegate.cjs', 'NOTICES']);
  });
});
