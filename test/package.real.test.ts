import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

const ROOT = join(import.meta.dirname, '..');

/** The machine's own Node, not the one that the lock file pins for npm scripts. */
const PATH = (process.env['PATH'] ?? '')
  .split(delimiter)
  .filter((folder) => !folder.includes('node_modules') && !folder.includes('node-gyp-bin'))
  .join(delimiter);

function run(cwd: string, command: string, ...argv: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(command, argv, {
    cwd,
    env: { ...process.env, PATH },
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidegate-package-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('bin/tidegate', () => {
  it('runs from any folder under whatever Node starts it', () => {
    expect(run(folder, join(ROOT, 'bin', 'tidegate'), '--help')).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('Usage: tidegate'),
    });
  });

  it('exits 2 when it is called wrongly', () => {
    expect(run(folder, join(ROOT, 'bin', 'tidegate'), 'nothing').status).toBe(2);
  });

  it('runs as an installed package, by npx', () => {
    expect(run(ROOT, 'npm', 'pack', '--pack-destination', folder)).toMatchObject({ status: 0 });
    writeFileSync(join(folder, 'package.json'), '{"private":true}');
    const installed = run(folder, 'npm', 'install', '--ignore-scripts', './tidegate-0.1.0.tgz');
    expect(installed).toMatchObject({ status: 0 });
    const made = run(
      folder,
      'npx',
      'tidegate',
      'key',
      'new',
      '--type',
      'ed25519',
      '--out',
      'k.pem',
    );
    expect(made).toMatchObject({ status: 0, stdout: expect.stringMatching(/^[0-9a-f]{64}\n$/) });
  }, 240_000);
});
