import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidegate-layers-'));
  copyFileSync(join(ROOT, '.oxlintrc.json'), join(folder, '.oxlintrc.json'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** Lints one file as if it stood in the tree, by the project's own configuration; returns the rules it breaks. */
function brokenRules(path: string, line: string): readonly string[] {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${line}\n`);
  const oxlint = join(ROOT, 'node_modules', '.bin', 'oxlint');
  const { stdout, stderr } = spawnSync(oxlint, ['--format', 'json', path], {
    cwd: folder,
    encoding: 'utf8',
  });
  rmSync(file);
  const start = stdout.indexOf('{');
  if (start < 0) throw new Error(`oxlint said: ${stdout}${stderr}`);
  const { diagnostics } = JSON.parse(stdout.slice(start));
  return diagnostics.map(({ code }: { readonly code: string }) => code);
}

const IMPORTS = 'eslint(no-restricted-imports)';
const GLOBALS = 'eslint(no-restricted-globals)';

describe('the layers', () => {
  it.each([
    ['core/a.ts', "export { readFile } from 'node:fs/promises';"],
    ['core/a.ts', "export { get } from 'node:http';"],
    ['core/tuf/a.ts', "export { openStorage } from '../../adapters/storage/open.ts';"],
    ['adapters/storage/a.ts', "export { createApp } from '../../server/app.ts';"],
    ['server/a.ts', "export { publishCommand } from '../repo-tools/commands/publish.ts';"],
    ['server/routes/a.ts', "export { runCycle } from '../../agent/cycle.ts';"],
    ['agent/a.ts', "export { createApp } from '../server/app.ts';"],
    ['repo-tools/commands/a.ts', "export { runCycle } from '../../agent/cycle.ts';"],
  ])('refuse in %s: %s', (path, line) => {
    expect(brokenRules(path, line)).toEqual([IMPORTS]);
  });

  it.each([
    ['core/a.ts', 'export const now = () => process.uptime();'],
    ['core/a.ts', 'export const load = () => fetch("http://127.0.0.1");'],
    ['core/a.ts', 'export const later = () => setTimeout(() => {}, 1);'],
  ])('refuse in %s: %s', (path, line) => {
    expect(brokenRules(path, line)).toEqual([GLOBALS]);
  });

  it.each([
    ['core/a.ts', "export { createHash } from 'node:crypto';"],
    ['adapters/storage/a.ts', "export { readFile } from 'node:fs/promises';"],
    ['server/a.ts', "export { decide } from '../core/decide.ts';"],
    ['agent/a.ts', "export { decompress } from '../adapters/compression/decompress.ts';"],
  ])('allow in %s: %s', (path, line) => {
    expect(brokenRules(path, line)).toEqual([]);
  });
});
