import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { readConfig } from '../../agent/config.ts';
import { seedOfHost } from '../../core/seed.ts';
import { PLAIN_NETWORK } from '../../agent/network/settings.ts';

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
      network: PLAIN_NETWORK,
      slots: { kind: 'directory', folder: join(folder, 'slots') },
      health: { unit: null, folder: null, command: null, timeoutMs: 300_000, confirm: 'automatic' },
      hooks: { programs: {}, timeoutMs: 600_000 },
      update: { automatic: 'apply', windows: [], rollback: 'at-once' },
      api: null,
      inhibitorFolder: join(folder, 'state', 'inhibitors'),
      reboot: { policy: 'manual', command: ['systemctl', 'reboot'] },
      pollMs: 300_000,
      metricsFile: null,
      log: null,
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

  it('reads where figures and events go', async () => {
    const outputs =
      "[metrics]\ntextfile = 'm/tidegate.prom'\n[log]\nfile = 'e.jsonl'\nmax-mib = 2\n";
    const { folder, read } = await configOf(HOST, REPOSITORY, SLOTS, SERVER, outputs);
    await expect(read()).resolves.toMatchObject({
      metricsFile: join(folder, 'm/tidegate.prom'),
      log: { file: join(folder, 'e.jsonl'), maxBytes: 2 * 1024 * 1024, keep: 3 },
    });
  });

  it('reads a program that drives slots: a path starts at the folder of the file, a name does not', async () => {
    const start = "[slots]\nkind = 'command'\nprogram = ";
    const path = await configOf(HOST, REPOSITORY, SERVER, `${start}['./slots.sh', './conf']\n`);
    expect((await path.read()).slots).toEqual({
      ...{ kind: 'command', program: [join(path.folder, 'slots.sh'), './conf'] },
      timeoutMs: 300_000,
    });
    const more = "timeout = '30 seconds'\n";
    const name = await configOf(HOST, REPOSITORY, SERVER, `${start}['slots']\n`, more);
    expect((await name.read()).slots).toMatchObject({ program: ['slots'], timeoutMs: 30_000 });
  });

  it.each([
    ...[
      { key: 'program', value: '[]' },
      { key: 'program', value: "''" },
      { key: 'program', value: "['']" },
      { key: 'timeout', value: "'soon'" },
      { key: 'disk', value: "'d'" },
    ].map(({ key, value }) => ({
      case: `${key} = ${value} of a program that drives slots`,
      parts: [
        ...[HOST, REPOSITORY, SERVER, "[slots]\nkind = 'command'\n"],
        ...(key === 'program' ? [] : ["program = ['p']\n"]),
        `${key} = ${value}\n`,
      ],
      line: key === 'program' ? 12 : 13,
      names: key === 'disk' ? 'unknown key slots.disk' : `slots.${key}`,
    })),
    ...[
      { key: 'tries', value: '0' },
      { key: 'tries', value: '16' },
      { key: 'active', value: "'c'" },
    ].map(({ key, value }) => ({
      case: `${key} = ${value}`,
      parts: [HOST, REPOSITORY, SERVER, `[slots]\nkind = 'gpt'\ndisk = 'd'\n${key} = ${value}\n`],
      line: 13,
      names: `slots.${key}`,
    })),
    {
      case: 'an unknown table',
      parts: [HOST, REPOSITORY, SLOTS, SERVER, '[colour]\n'],
      line: 13,
      names: 'unknown key colour',
    },
    {
      case: 'an unknown key',
      parts: [HOST, 'sed = 7\n', REPOSITORY, SLOTS, SERVER],
      line: 6,
      names: 'unknown key host.sed',
    },
    {
      case: 'an unknown key with dots in it',
      parts: [HOST, '"a.b" = 7\n', REPOSITORY, SLOTS, SERVER],
      line: 6,
      names: 'unknown key host."a.b"',
    },
    {
      case: 'a key that only a prototype has',
      parts: [HOST, '__proto__ = 7\n', REPOSITORY, SLOTS, SERVER],
      line: 6,
      names: 'unknown key host.__proto__',
    },
    {
      case: 'a seed of 2048',
      parts: [HOST, 'seed = 2048\n', REPOSITORY, SLOTS, SERVER],
      line: 6,
      names: 'host.seed: too big: expected number to be <=2047, got 2048',
    },
    {
      case: 'a seed that is a text',
      parts: [HOST, "seed = '7'\n", REPOSITORY, SLOTS, SERVER],
      line: 6,
      names: 'host.seed: expected number, got "7"',
    },
    {
      case: 'a label that is no text',
      parts: [HOST, 'labels = { rack = 7 }\n', REPOSITORY, SLOTS, SERVER],
      line: 6,
      names: 'host.labels.rack: expected string, got 7',
    },
    {
      case: 'a part of a list',
      parts: [HOST, REPOSITORY, SLOTS, SERVER, "[health]\ncommand = [\n  'a',\n  7,\n]\n"],
      line: 16,
      names: 'health.command[1]: expected string, got 7',
    },
    {
      case: 'a missing table',
      parts: [HOST, REPOSITORY, SERVER],
      line: null,
      names: 'slots is missing',
    },
    {
      case: 'a missing key',
      parts: [HOST, REPOSITORY, SERVER, "[slots]\nkind = 'directory'\n"],
      line: 10,
      names: 'slots.path is missing',
    },
    {
      case: 'no way to the repository',
      parts: [HOST, REPOSITORY, SLOTS],
      line: 6,
      names: 'metadata-url',
    },
    {
      case: 'a server over ftp',
      parts: [HOST, REPOSITORY, SLOTS, "[server]\nurl = 'ftp://h'\n"],
      line: 12,
      names: 'server.url',
    },
    {
      case: 'a server with a password, which is not told,',
      parts: [HOST, REPOSITORY, SLOTS, "[server]\nurl = 'ftp://u:secret@h'\n"],
      line: 12,
      names: 'got "ftp://u:***@h"',
    },
    {
      case: 'another kind of slot',
      parts: [HOST, REPOSITORY, SERVER, "[slots]\nkind = 'tape'\npath = 's'\n"],
      line: 11,
      names: 'slots.kind',
    },
    {
      case: 'an interval without a unit',
      parts: [HOST, REPOSITORY, SLOTS, SERVER, "[poll]\ninterval = '5'\n"],
      line: 14,
      names: 'poll.interval must be like \'5 minutes\', got "5"',
    },
    ...[
      { key: "proxy = 'socks5://me:secret@h'", names: 'network.proxy' },
      { key: "proxy = 'h:3128'", names: 'network.proxy' },
      { key: "no-proxy = 'a,b'", names: 'network.no-proxy' },
      { key: "certificate = 'c.pem'", names: 'certificate and key together' },
      { key: "key = 'c.pem'", names: 'certificate and key together' },
      { key: "limit = '10 MiB'", names: 'network.limit' },
      { key: "limit = '1 B/s'", names: 'network.limit' },
      { key: "lim = '1 MB/s'", names: 'unknown key network.lim' },
    ].map(({ key, names }) => ({
      case: key,
      parts: [HOST, REPOSITORY, SLOTS, SERVER, `[network]\n${key}\n`],
      line: names.startsWith('certificate') ? 13 : 14,
      names,
    })),
    {
      case: 'a mirror of metadata alone',
      parts: [HOST, REPOSITORY, "mirrors = [{ metadata-url = 'file:M' }]\n", SLOTS, SERVER],
      line: 8,
      names: 'repository.mirrors[0].targets-url is missing',
    },
    {
      case: 'a file of figures that nobody collects',
      parts: [HOST, REPOSITORY, SLOTS, SERVER, "[metrics]\ntextfile = 'a.txt'\n"],
      line: 14,
      names: 'metrics.textfile: must end in .prom, or nobody collects it, got "a.txt"',
    },
    { case: 'what is no TOML', parts: ['[host\n'], line: 2, names: 'unterminated' },
    {
      case: 'a key that stands twice',
      parts: [HOST, "id = 'b'\n"],
      line: 6,
      names: 'multiple times',
    },
  ])('refuses $case, naming the file, the line and the key', async ({ parts, line, names }) => {
    const { file, read } = await configOf(...parts);
    const error = await read().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'agent/config' });
    expect(String(error)).toContain(line === null ? `${file}: ` : `${file}, line ${line}: `);
    expect(String(error)).toContain(names);
    expect(String(error)).not.toContain('secret');
  });

  it('refuses a file that is not there', async () => {
    await expect(readConfig('/nowhere/agent.toml')).rejects.toMatchObject({ code: 'agent/config' });
  });
});
