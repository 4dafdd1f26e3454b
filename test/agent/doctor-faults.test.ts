import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { CheckName } from '../../agent/doctor/check.ts';
import type { WorldOptions } from '../support/host-world.ts';
import { addToConfig, examined, provisionedHost, reportOf, stateFile } from './doctor-host.ts';
import type { doctorHost } from './doctor-host.ts';

const MINUTE_MS = 60_000;

type Case = {
  readonly case: string;
  readonly name: CheckName;
  readonly status?: 'warning';
  /** Other checks that cannot be well then either. */
  readonly also?: readonly CheckName[];
  readonly options?: WorldOptions;
  readonly harm: (host: Awaited<ReturnType<typeof doctorHost>>) => unknown;
  readonly says: string;
};

const CASES: readonly Case[] = [
  {
    case: 'an unknown key in the configuration',
    name: 'configuration',
    harm: ({ world }) => addToConfig(world, 'colour = 1\n'),
    says: 'unknown key slots.colour',
  },
  {
    case: 'a drop-in whose name does not end in .toml',
    name: 'configuration',
    status: 'warning',
    harm: async ({ world }) => {
      await mkdir(`${world.configFile}.d`);
      await writeFile(`${world.configFile}.d/10.conf`, '');
    },
    says: '10.conf is ignored',
  },
  {
    case: 'a trust anchor that is not there',
    name: 'anchor',
    also: ['metadata'],
    harm: ({ world }) => rm(join(world.folder, 'root.json')),
    says: 'ENOENT',
  },
  {
    case: 'a trust anchor that is no root',
    name: 'anchor',
    also: ['metadata'],
    harm: ({ world }) => writeFile(join(world.folder, 'root.json'), '{}'),
    says: 'no root signed by its own keys',
  },
  {
    case: 'a root that has expired',
    name: 'anchor',
    also: ['metadata'],
    harm: ({ world, server }) => {
      world.now = new Date('2140-01-01T00:00:00Z');
      server.date = world.now;
    },
    says: 'no newer one is known',
  },
  {
    case: 'a clock behind what the host has seen',
    name: 'clock',
    also: ['metadata'],
    harm: ({ world }) => {
      world.now = new Date(world.now.getTime() - 60 * MINUTE_MS);
    },
    says: 'this host has seen',
  },
  {
    case: 'a clock far from the one of the server',
    name: 'clock',
    harm: ({ world, server }) => {
      server.date = new Date(world.now.getTime() + 11 * MINUTE_MS);
    },
    says: '660 s behind',
  },
  {
    case: 'a clock not quite that of the server',
    name: 'clock',
    status: 'warning',
    harm: ({ world, server }) => {
      server.date = new Date(world.now.getTime() - 2 * MINUTE_MS);
    },
    says: '120 s ahead',
  },
  {
    case: 'a server that is not well',
    name: 'server',
    harm: ({ server }) => {
      server.health = 502;
    },
    says: 'answered 502',
  },
  {
    case: 'a server that is away from a host that may decide by itself',
    name: 'server',
    status: 'warning',
    options: { fallback: 'static' },
    harm: ({ server }) => {
      server.health = 502;
    },
    says: 'the signed manifest alone decides meanwhile',
  },
  {
    case: 'a repository that is not there',
    name: 'metadata',
    harm: ({ world }) => {
      const before = world.tamper;
      world.tamper = (path, response) =>
        path.startsWith('/repo/metadata/') ? { status: 404 } : before(path, response);
    },
    says: 'is not there',
  },
  {
    case: 'a manifest that cannot be had',
    name: 'targets',
    harm: ({ world }) => {
      const before = world.tamper;
      world.tamper = (path, response) =>
        path.endsWith('manifest.json') ? { status: 404 } : before(path, response);
    },
    says: 'is not there',
  },
  {
    case: 'an image of the wanted release that the mirror has lost',
    name: 'targets',
    harm: async ({ world }) => {
      await world.start('1.1.0');
      const before = world.tamper;
      world.tamper = (path, response) =>
        path.endsWith('-1.1.0-hash') ? { status: 404 } : before(path, response);
    },
    says: '1.1.0-hash of release 1.1.0 answers 404',
  },
  {
    case: 'a pointer to the active slot that is damaged',
    name: 'slots',
    harm: async ({ world }) => {
      await rm(join(world.folder, 'slots', 'active'));
      await writeFile(join(world.folder, 'slots', 'active'), 'x');
    },
    says: 'active',
  },
  {
    case: 'a state folder that is none',
    name: 'state',
    also: ['clock', 'metadata', 'reports'],
    harm: async ({ world }) => {
      await rm(stateFile(world), { recursive: true });
      await writeFile(stateFile(world), '');
    },
    says: 'cannot be written: ENOTDIR',
  },
  {
    case: 'a state folder in which others may write',
    name: 'state',
    harm: ({ world }) => chmod(stateFile(world), 0o777),
    says: 'others may write',
  },
  {
    case: 'a lock that cannot be taken',
    name: 'state',
    harm: async ({ world }) => {
      await rm(stateFile(world, 'lock'), { force: true });
      await mkdir(stateFile(world, 'lock'));
    },
    says: 'lock failed with EISDIR',
  },
  {
    case: 'a damaged journal',
    name: 'state',
    status: 'warning',
    harm: ({ world }) => writeFile(stateFile(world, 'journal.json'), 'torn'),
    says: 'goes by the slots',
  },
  {
    case: 'a damaged memory of what is trusted',
    name: 'state',
    status: 'warning',
    harm: ({ world }) => writeFile(stateFile(world, 'tuf', 'floor.json'), 'torn'),
    says: 'floor.json is damaged',
  },
  {
    case: 'a damaged queue of reports',
    name: 'reports',
    status: 'warning',
    harm: ({ world }) => writeFile(stateFile(world, 'reports.json'), 'torn'),
    says: 'damaged',
  },
  {
    case: 'reports that pile up',
    name: 'reports',
    status: 'warning',
    harm: async ({ world }) => {
      const { reports } = await world.agent();
      for (let n = 1; n <= 10; n += 1) await reports.add(reportOf(n));
    },
    says: '10 reports wait',
  },
  {
    case: 'a health program that is not there',
    name: 'programs',
    harm: ({ world }) => addToConfig(world, "[health]\ncommand = ['/nowhere/is-well']\n"),
    says: 'health.command: there is no program /nowhere/is-well',
  },
  {
    case: 'a hook that is not there',
    name: 'programs',
    harm: ({ world }) => addToConfig(world, "[hooks]\nbefore-reboot = ['/nowhere/drain']\n"),
    says: 'hooks.before-reboot: there is no program /nowhere/drain',
  },
  {
    case: 'a program for boots that is in no folder of PATH',
    name: 'programs',
    harm: ({ world }) =>
      addToConfig(world, "[reboot]\npolicy = 'automatic'\ncommand = ['no-such-program']\n"),
    says: 'reboot.command: there is no program no-such-program',
  },
  {
    case: 'figures that cannot be written',
    name: 'outputs',
    status: 'warning',
    harm: ({ world }) => addToConfig(world, "[metrics]\ntextfile = 'root.json/a.prom'\n"),
    says: 'cannot be written: ENOTDIR',
  },
];

describe('agent doctor', () => {
  it.each(CASES)('tells of $case', async ({ name, status, also = [], options, harm, says }) => {
    const host = await provisionedHost(options);
    const { world } = host;
    await using _ = world;
    await harm(host);
    const { exitCode, unwell } = await examined(world);
    const found = unwell.filter((check) => check.name === name);
    expect(found).toEqual([
      expect.objectContaining({
        status: status ?? 'failed',
        message: expect.stringContaining(says),
      }),
    ]);
    expect(new Set(unwell.map((check) => check.name))).toEqual(new Set([name, ...also]));
    expect(exitCode).toBe(status === undefined ? 1 : 0);
  });
});
