import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { ExpectedError } from '../../core/errors.ts';
import { bottlerocketDecideCommand } from '../../repo-tools/commands/bottlerocket-decide.ts';
import { bottlerocketWavesCommand } from '../../repo-tools/commands/bottlerocket-waves.ts';

const DEFAULT_WAVES = {
  '0': '2025-08-25T18:00:00Z',
  '20': '2025-08-25T21:00:00Z',
  '102': '2025-08-26T17:00:00Z',
  '307': '2025-08-27T17:00:00Z',
  '819': '2025-08-29T17:00:00Z',
  '1228': '2025-08-30T17:00:00Z',
  '1843': '2025-08-31T17:00:00Z',
};
const POLICY = [
  ['1 hour', 1],
  ['4 hours', 5],
  ['1 day', 15],
  ['2 days', 40],
  ['4 days', 60],
  ['5 days', 90],
  ['6 days', 100],
]
  .map(([after, share]) => `[[waves]]\nstart_after = '${after}'\nfleet_percentage = ${share}\n`)
  .join('');
const MANIFEST = JSON.stringify({
  updates: [
    {
      variant: 'aws-k8s-1.32',
      arch: 'x86_64',
      version: '1.45.0',
      max_version: '1.45.0',
      waves: DEFAULT_WAVES,
      images: { boot: 'b', root: 'r', hash: 'h' },
    },
  ],
  migrations: {},
});
const HOST = ['--manifest', 'manifest.json', '--variant', 'aws-k8s-1.32', '--arch', 'x86_64'];

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tidegate-bottlerocket-'));
  await writeFile(join(folder, 'waves.toml'), POLICY);
  await writeFile(join(folder, 'manifest.json'), MANIFEST);
});
afterAll(() => rm(folder, { recursive: true }));

async function run(make: (io: Io) => Command, ...argv: readonly string[]): Promise<string> {
  const out: string[] = [];
  const command = make({
    stdout: { write: (text) => out.push(text) },
    stderr: { write: () => true },
    env: {},
    cwd: folder,
    now: () => new Date('2025-08-26T02:07:19.024Z'),
    signal: new AbortController().signal,
  });
  await command.exitOverride().parseAsync([...argv], { from: 'user' });
  return out.join('');
}

async function decide(...argv: readonly string[]): Promise<unknown> {
  return JSON.parse(await run(bottlerocketDecideCommand, ...HOST, ...argv, '--json'));
}

async function codeOf(ran: Promise<unknown>): Promise<string> {
  try {
    await ran;
  } catch (error) {
    if (error instanceof ExpectedError) return error.code;
    throw error;
  }
  return 'no error';
}

describe('tidegate bottlerocket waves', () => {
  const start = ['--policy', 'waves.toml', '--start-at', '2025-08-25T19:00:00+02:00'];

  it("prints upstream's own map as one line of JSON", async () => {
    const text = await run(bottlerocketWavesCommand, ...start, '--json');
    expect(text).toBe(`${JSON.stringify(DEFAULT_WAVES)}\n`);
  });

  it('prints a line a wave for people', async () => {
    const lines = (await run(bottlerocketWavesCommand, ...start)).trimEnd().split('\n');
    expect(lines).toHaveLength(7);
    expect(lines[1]).toMatch(/20 +2025-08-25T21:00:00Z/);
  });

  it.each([
    {
      case: 'a start that is no time',
      argv: ['--policy', 'waves.toml', '--start-at', 'now'],
      code: 'usage/option',
    },
    {
      case: 'a policy file that is not there',
      argv: ['--policy', 'no.toml', '--start-at', '2025-08-25T17:00:00Z'],
      code: 'usage/file',
    },
    {
      case: 'a policy that is no policy',
      argv: ['--policy', 'manifest.json', '--start-at', '2025-08-25T17:00:00Z'],
      code: 'bottlerocket/wave-format',
    },
  ])('refuses $case', async ({ argv, code }) => {
    expect(await codeOf(run(bottlerocketWavesCommand, ...argv))).toBe(code);
  });
});

describe('tidegate bottlerocket decide', () => {
  const READY_21 = '2025-08-26T02:07:19.024390227Z';

  it('says when the update that does not come yet is ready, to the nanosecond', async () => {
    expect(await decide('--version', '1.44.0', '--seed', '21')).toEqual({
      update: null,
      readyAt: READY_21,
    });
  });

  it('takes the printed instant back without losing a nanosecond', async () => {
    const host = ['--version', '1.44.0', '--seed', '21'];
    expect(await decide(...host, '--at', READY_21)).toEqual({
      update: '1.45.0',
      readyAt: READY_21,
    });
    const before = '2025-08-26T02:07:19.024390226Z';
    expect(await decide(...host, '--at', before)).toEqual({ update: null, readyAt: READY_21 });
  });

  it.each([
    { case: 'seed 0 never waits', argv: ['--version', '1.44.0', '--seed', '0'], update: '1.45.0' },
    {
      case: 'waves are ignored, even by a seed on which updog would panic',
      argv: ['--version', '1.44.0', '--seed', '2049', '--ignore-waves'],
      update: '1.45.0',
    },
    {
      case: 'waves are ignored',
      argv: ['--version', '1.44.0', '--seed', '2047', '--ignore-waves'],
      update: '1.45.0',
    },
    { case: 'nothing is to come', argv: ['--version', '1.45.0', '--seed', '2047'], update: null },
    {
      case: 'it is locked',
      argv: ['--version', '1.44.0', '--seed', '21', '--version-lock', 'v0.0.0'],
      update: null,
    },
    {
      case: 'nothing is for its arch',
      argv: ['--version', '1.44.0', '--seed', '21', '--arch', 'aarch64'],
      update: null,
    },
  ])('has no instant where $case', async ({ argv, update }) => {
    expect(await decide(...argv)).toEqual({ update, readyAt: null });
  });

  it('says it in words for people', async () => {
    const host = [...HOST, '--version', '1.44.0', '--seed', '21'];
    expect(await run(bottlerocketDecideCommand, ...host)).toContain(READY_21);
  });

  it.each([
    {
      case: 'a seed on which updog panics',
      argv: ['--seed', '2049'],
      code: 'bottlerocket/seed-panic',
    },
    { case: 'the highest seed', argv: ['--seed', '4294967295'], code: 'bottlerocket/seed-panic' },
    { case: 'a seed above 32 bits', argv: ['--seed', '4294967296'], code: 'usage/option' },
    { case: 'a seed that is no number', argv: ['--seed', 'x'], code: 'usage/option' },
    {
      case: 'a time that is none',
      argv: ['--seed', '1', '--at', '2025-08-26'],
      code: 'usage/option',
    },
    {
      case: 'a version that is none',
      argv: ['--seed', '1', '--version', '1.44'],
      code: 'usage/option',
    },
    {
      case: 'a bad lock',
      argv: ['--seed', '1', '--version-lock', '1'],
      code: 'bottlerocket/version-lock',
    },
    { case: 'no manifest', argv: ['--seed', '1', '--manifest', 'no.json'], code: 'usage/file' },
    {
      case: 'a file that is no manifest',
      argv: ['--seed', '1', '--manifest', 'waves.toml'],
      code: 'bottlerocket/manifest',
    },
  ])('refuses $case', async ({ argv, code }) => {
    expect(await codeOf(decide('--version', '1.44.0', ...argv))).toBe(code);
  });
});
