import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { z } from 'zod';
import { runCycle } from '../../agent/cycle.ts';
import { provision } from '../../agent/provision.ts';
import { runCli } from '../../bin/cli.ts';
import type { Report } from '../../core/check-in.ts';
import { hostWorld } from '../support/host-world.ts';
import type { HostWorld, WorldOptions } from '../support/host-world.ts';

const checksSchema = z.array(
  z.object({
    name: z.string(),
    status: z.enum(['ok', 'warning', 'failed']),
    message: z.string(),
    advice: z.string().nullable(),
  }),
);

/** A host on 1.0.0 and a server that offers nothing yet: its clock, and how well it is. */
export async function doctorHost(options: WorldOptions = {}) {
  const world = await hostWorld(options);
  const server = { date: world.now, health: 200 };
  world.tamper = (path, response) => {
    response.setHeader('date', server.date.toUTCString());
    return path === '/healthz' ? { status: server.health, body: '{}' } : null;
  };
  return { world, server };
}

export async function provisionedHost(options: WorldOptions = {}) {
  const host = await doctorHost(options);
  await provision(await host.world.agent(), '1.0.0');
  await runCycle(await host.world.agent());
  return host;
}

export async function runDoctor(world: HostWorld, ...argv: readonly string[]) {
  let out = '';
  let err = '';
  const exitCode = await runCli(['agent', 'doctor', '--config', world.configFile, ...argv], {
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => (err += text) },
    env: { PATH: process.env['PATH'] },
    cwd: world.folder,
    now: () => world.now,
    signal: new AbortController().signal,
  });
  return { exitCode, out, err };
}

export async function examined(world: HostWorld) {
  const { exitCode, out } = await runDoctor(world, '--json');
  const checks = checksSchema.parse(JSON.parse(out));
  const unwell = checks.filter(({ status }) => status !== 'ok');
  expect(unwell.filter(({ advice }) => advice === null)).toEqual([]);
  return { exitCode, checks, unwell };
}

export async function addToConfig(world: HostWorld, text: string): Promise<void> {
  await writeFile(world.configFile, `${await readFile(world.configFile, 'utf8')}${text}`);
}

export const stateFile = (world: HostWorld, ...names: readonly string[]) =>
  join(world.folder, 'state', ...names);

export function reportOf(n: number): Report {
  return {
    ...{ id: `report-${n}`, rolloutId: 'r', from: '1.0.0', to: '1.1.0', outcome: 'updated' },
    ...{ stage: 'confirm', at: '2040-01-01T00:00:00Z' },
  };
}
