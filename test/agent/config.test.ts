import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { readConfig } from '../../agent/config.ts';
import { seedOfHost } from '../../core/seed.ts';
import { PLAIN } from './network/settings.ts';

const HOST = "[host]\nid = 'host-1'\nvariant = 'aws-k8s-1.32'\narch = 'x86_64'\n";
const REPOSITORY = "[repository]\nroot = 'root.json'\n";
const SLOTS = "[slots]\nkind = 'directory'\npath = 'slots'\n";
const SERVER = "[server]\nurl = 'http://127.0.0.1:8080'\n";

async function configOf(...parts: readonly string[]) {
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-config-'));
  const file = join(folder, 'agent.toml');
  await writeFile(file, ["state = 'state'\n", ...parts].join(''));
  return { folder, file, read: () => readConfig(file) };
}

describe('readConfig', () => {
  it('fills in what is not said, and starts paths at the folder of the file', async () => {
    const { folder, read } = await configOf(HOST, REPOSITORY, SLOTS, SERVER);
    await expect(read()).resolves.toEqual({
      stateFolder: join(folder, 'state'),
      host: {
        ...{ id: 'host-1', variant: 'aws-k8s-1.32', arch: 'x86_64' },
        ...{ seed: seedOfHost('host-1'), group: null, labels: {} },
      },
      server: { url: 'http://127.0.0.1:8080/', fallback: 'stay' },
      trustAnchor: join(folder, 'root.json'),
      metadataUrl: 'http://127.0.0.1:8080/repo/metadata/',
      targetsUrl: 'http://127.0.0.1:8080/repo/targets/',
      mirrors: [],
      network: PLAIN,
      slots: { kind: 'directory', folder: join(folder, 'slots') },
      health: { command: null, timeoutMs: 300_000 },
      reboot: { policy: 'manual', command: ['systemctl', 'reboot'] },
      pollMs: 300_000,
    });
  });

  it('reads static mode, with a repository in a folder beside the file', async () => {
    const urls = "metadata-url = 'file:R/metadata'\ntargets-url = 'https://cdn.example/targets'\n";
    const { folder, read } = await configOf(HOST, REPOSITORY, urls, SLOTS);
    await expect(read()).resolves.toMatchObject({
      server: null,
      metadataUrl: `file://${folder}/R/metadata/`,
      targetsUrl: 'https://cdn.example/targets/',
    });
  });

  it('reads how the network is used, and where else the repository lies', async () => {
    const mirror = "{ metadata-url = 'file:M/metadata', targets-url = 'http://m.example/targets' }";
    const network = [
      "[network]\nproxy = 'http://me:secret@proxy.example:3128'\nno-proxy = ['.example', '10.0.0.0/8']",
      "ca = 'tls/ca.pem'\ncertificate = '/tls/host.pem'\nkey = '/tls/host.key'\nlimit = '1.5 MiB/s'\n",
    ].join('\n');
    const mirrors = `mirrors = [${mirror}]\n`;
    const { folder, read } = await configOf(HOST, REPOSITORY, mirrors, SLOTS, SERVER, network);
    await expect(read()).resolves.toMatchObject({
      mirrors: [
        {
          metadataUrl: `file://${folder}/M/metadata/`,
          targetsUrl: 'http://m.example/targets/',
        },
      ],
      network: {
        proxy: 'http://me:secret@proxy.example:3128',
        noProxy: ['.example', '10.0.0.0/8'],
        ca: join(folder, 'tls/ca.pem'),
        certificate: '/tls/host.pem',
        key: '/tls/host.key',
        limit: 1_572_864,
      },
    });
  });

  it('reads slots on a disk, with what is usual where nothing is said', async () => {
    const gpt = "[slots]\nkind = 'gpt'\ndisk = 'disk.img'\n";
    const usual = await configOf(HOST, REPOSITORY, SERVER, gpt);
    const { slots } = await usual.read();
    expect(slots).toEqual({
      ...{ kind: 'gpt', disk: join(usual.folder, 'disk.img'), active: 'auto', tries: 3 },
      kernelCommandLine: '/proc/cmdline',
    });
    const more = "active = 'b'\ntries = 15\nkernel-command-line = 'cmdline'\n";
    const said = await configOf(HOST, REPOSITORY, SERVER, gpt, more);
    expect((await said.read()).slots).toMatchObject({
      ...{ active: 'b', tries: 15, kernelCommandLine: join(said.folder, 'cmdline') },
    });
  });

  it.each([
    ...[
      { key: 'tries', value: '0' },
      { key: 'tries', value: '16' },
      { key: 'active', value: "'c'" },
    ].map(({ key, value }) => ({
      case: `${key} = ${value}`,
      parts: [HOST, REPOSITORY, SERVER, `[slots]\nkind = 'gpt'\ndisk = 'd'\n${key} = ${value}\n`],
      names: `slots.${key}`,
    })),
    {
      case: 'an unknown table',
      parts: [HOST, REPOSITORY, SLOTS, SERVER, '[colour]\n'],
      names: 'colour',
    },
    { case: 'an unknown key', parts: [HOST, 'sed = 7\n', REPOSITORY, SLOTS, SERVER], names: 'sed' },
    {
      case: 'a seed of 2048',
      parts: [HOST, 'seed = 2048\n', REPOSITORY, SLOTS, SERVER],
      names: 'host.seed',
    },
    { case: 'a missing table', parts: [HOST, REPOSITORY, SERVER], names: 'slots' },
    { case: 'no way to the repository', parts: [HOST, REPOSITORY, SLOTS], names: 'metadata-url' },
    {
      case: 'a server over ftp',
      parts: [HOST, REPOSITORY, SLOTS, "[server]\nurl = 'ftp://h'\n"],
      names: 'server.url',
    },
    {
      case: 'another kind of slot',
      parts: [HOST, REPOSITORY, SERVER, "[slots]\nkind = 'tape'\npath = 's'\n"],
      names: 'slots.kind',
    },
    {
      case: 'an interval without a unit',
      parts: [HOST, REPOSITORY, SLOTS, SERVER, "[poll]\ninterval = '5'\n"],
      names: 'poll.interval',
    },
    ...[
      { line: "proxy = 'socks5://me:secret@h'", names: 'network.proxy' },
      { line: "proxy = 'h:3128'", names: 'network.proxy' },
      { line: "no-proxy = 'a,b'", names: 'network.no-proxy' },
      { line: "certificate = 'c.pem'", names: 'certificate and key together' },
      { line: "key = 'c.pem'", names: 'certificate and key together' },
      { line: "limit = '10 MiB'", names: 'network.limit' },
      { line: "limit = '1 B/s'", names: 'network.limit' },
      { line: "lim = '1 MB/s'", names: 'lim' },
    ].map(({ line, names }) => ({
      case: line,
      parts: [HOST, REPOSITORY, SLOTS, SERVER, `[network]\n${line}\n`],
      names,
    })),
    {
      case: 'a mirror of metadata alone',
      parts: [HOST, REPOSITORY, "mirrors = [{ metadata-url = 'file:M' }]\n", SLOTS, SERVER],
      names: 'repository.mirrors.0.targets-url',
    },
    { case: 'what is no TOML', parts: ['[host\n'], names: 'line 2' },
  ])('refuses $case, naming it and the file', async ({ parts, names }) => {
    const { file, read } = await configOf(...parts);
    const error = await read().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'agent/config' });
    expect(String(error)).toContain(names);
    expect(String(error)).toContain(file);
    expect(String(error)).not.toContain('secret');
  });

  it('refuses a file that is not there', async () => {
    await expect(readConfig('/nowhere/agent.toml')).rejects.toMatchObject({ code: 'agent/config' });
  });
});
