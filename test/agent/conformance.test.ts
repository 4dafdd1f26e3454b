import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { makeWorkplace } from '../support/cli.ts';
import { seededSigner } from '../support/seeded-signer.ts';
import { openSimulator } from './conformance-simulator.ts';

const versioned = z.object({ signed: z.object({ version: z.int() }) });
const TOP = ['root.json', 'snapshot.json', 'targets.json', 'timestamp.json'];

/** A client under test: initialised with the first root, and called as the suite calls one. */
async function setup() {
  const simulator = await openSimulator();
  const workplace = await makeWorkplace();
  const firstRoot = simulator.files.get('metadata/1.root.json') ?? Buffer.alloc(0);
  const run = async (...more: readonly string[]) =>
    (await workplace.run('agent', 'conformance', '--metadata-dir', 'md', ...more)).code;
  const init = async (root: Buffer = firstRoot) => {
    await writeFile(join(workplace.folder, 'initial_root.json'), root);
    return run('init', 'initial_root.json');
  };
  return {
    ...{ simulator, workplace, firstRoot, init },
    refresh: () => run('--metadata-url', simulator.metadataUrl, 'refresh'),
    download: (...names: readonly string[]) =>
      run(
        ...['--metadata-url', simulator.metadataUrl],
        ...names.flatMap((name) => ['--target-name', name]),
        ...['--target-dir', 'td', '--target-base-url', simulator.targetsUrl, 'download'],
      ),
    trusted: async () =>
      (await readdir(join(workplace.folder, 'md'))).filter((name) => name.endsWith('.json')),
    version: async (role: string) => {
      const text = await readFile(join(workplace.folder, 'md', `${role}.json`), 'utf8');
      return versioned.parse(JSON.parse(text)).signed.version;
    },
    downloaded: async () => {
      const folder = join(workplace.folder, 'td');
      const names = (await readdir(folder)).toSorted();
      return Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
    },
    async [Symbol.asyncDispose]() {
      await simulator[Symbol.asyncDispose]();
      await workplace[Symbol.asyncDispose]();
    },
  };
}

describe('agent conformance', () => {
  it('asks nothing at init, and at a refresh what TUF wants, in its order', async () => {
    await using client = await setup();
    expect(await client.init()).toBe(0);
    expect(client.simulator.requests).toEqual([]);
    expect(await client.refresh()).toBe(0);
    expect(client.simulator.requests).toEqual([
      ...['2.root.json', 'timestamp.json', '1.snapshot.json', '1.targets.json'],
    ]);
    expect(await client.trusted()).toEqual(TOP);
  });

  it('keeps the bytes that were served', async () => {
    await using client = await setup();
    const { files } = client.simulator;
    const served = Buffer.concat([
      files.get('metadata/timestamp.json') ?? Buffer.alloc(0),
      Buffer.from(' \n'),
    ]);
    files.set('metadata/timestamp.json', served);
    await client.init();
    expect(await client.refresh()).toBe(0);
    expect(await readFile(join(client.workplace.folder, 'md', 'timestamp.json'))).toEqual(served);
  });

  it.each([
    { role: 'root', kept: [] },
    { role: 'timestamp', kept: [] },
    { role: 'snapshot', kept: ['timestamp'] },
    { role: 'targets', kept: ['snapshot', 'timestamp'] },
  ])(
    'trusts what comes before a $role that a stranger signed, and no more',
    async ({ role, kept }) => {
      await using client = await setup();
      await client.init();
      const { simulator } = client;
      const stranger = await seededSigner('stranger');
      const { signers } = simulator;
      if (role !== 'root') await simulator.publish('root');
      signers[role] = [stranger];
      if (role === 'root') await simulator.publish();
      else await simulator.publish('targets', 'snapshot', 'timestamp');
      expect(await client.refresh()).toBe(1);
      expect(await client.trusted()).toEqual(['root', ...kept].map((name) => `${name}.json`));
      expect(await client.version('root')).toBe(role === 'root' ? 1 : 2);
    },
  );

  it.each([
    {
      case: 'that is not signed',
      change: (text: string) => text.replace(/"sig":"../, '"sig":"00'),
    },
    { case: 'without a version', change: (text: string) => text.replace('"version":1,', '') },
    { case: 'that is no JSON', change: () => 'hello' },
  ])('asks nothing when it was begun with a root $case', async ({ change }) => {
    await using client = await setup();
    await client.init(Buffer.from(change(client.firstRoot.toString())));
    expect(await client.refresh()).toBe(1);
    expect(client.simulator.requests).toEqual([]);
  });

  it('refuses a timestamp that goes back, and keeps the one it has', async () => {
    await using client = await setup();
    await client.init();
    const old = client.simulator.files.get('metadata/timestamp.json') ?? Buffer.alloc(0);
    await client.simulator.publish('timestamp');
    expect(await client.refresh()).toBe(0);
    client.simulator.files.set('metadata/timestamp.json', old);
    expect(await client.refresh()).toBe(1);
    expect(await client.version('timestamp')).toBe(2);
  });

  it('judges expiry by the clock of the caller', async () => {
    await using client = await setup();
    await client.init();
    expect(await client.refresh()).toBe(0);
    client.workplace.now = new Date('2026-07-01T00:00:00Z');
    expect(await client.refresh()).toBe(1);
    const { roles } = client.simulator;
    for (const [role, signed] of Object.entries(roles)) {
      roles[role] = { ...signed, expires: '2027-01-01T00:00:00Z' };
    }
    await client.simulator.publish();
    expect(await client.refresh()).toBe(0);
    expect(await client.version('root')).toBe(2);
  });

  it('starts versions anew after the keys of timestamp and snapshot were replaced', async () => {
    await using client = await setup();
    await client.init();
    const { simulator } = client;
    for (let version = 0; version < 5; version += 1)
      await simulator.publish('snapshot', 'timestamp');
    expect(await client.refresh()).toBe(0);
    expect(await client.version('snapshot')).toBe(6);
    const next = await seededSigner('next');
    simulator.signers['snapshot'] = [next];
    simulator.signers['timestamp'] = [next];
    for (const role of ['snapshot', 'timestamp']) {
      simulator.roles[role] = { ...simulator.roles[role], version: 0 };
    }
    await simulator.publish();
    expect(await client.refresh()).toBe(0);
    expect([await client.version('snapshot'), await client.version('timestamp')]).toEqual([1, 1]);
  });

  it.each(['?', '#', '/delegated', '../delegated'])(
    'asks for the role %p under its quoted name, keeps it inside its folder, and finds it there again',
    async (role) => {
      await using client = await setup();
      await client.init();
      const { simulator } = client;
      await simulator.delegate(role, ['*']);
      simulator.addTarget('file', Buffer.from('delegated'), { role });
      await simulator.publish();
      expect(await client.download('file')).toBe(0);
      expect(await client.downloaded()).toEqual(['delegated']);
      const quoted = `${encodeURIComponent(role)}.json`;
      expect(simulator.requests).toContain(`1.${quoted}`);
      expect(await client.trusted()).toEqual([quoted, ...TOP].toSorted());
      expect(await client.download('file')).toBe(0);
      expect(simulator.requests.filter((path) => path === `1.${quoted}`)).toHaveLength(1);
    },
  );

  it('downloads targets in order up to the first that fails, and none of them twice', async () => {
    await using client = await setup();
    await client.init();
    const { simulator } = client;
    simulator.addTarget('path/to/a', Buffer.from('first'));
    simulator.addTarget('b', Buffer.from('second'), { served: Buffer.from('secret') });
    simulator.addTarget('c', Buffer.from('third'));
    await simulator.publish('targets', 'snapshot', 'timestamp');
    expect(await client.download('path/to/a', 'b', 'c')).toBe(1);
    expect(await client.downloaded()).toEqual(['first']);
    const asked = simulator.requests.length;
    expect(await client.download('path/to/a')).toBe(0);
    expect(simulator.requests.slice(asked)).toEqual(['2.root.json', 'timestamp.json']);
    expect(await client.download('no such target')).toBe(1);
  });

  it('takes the place of an older download whole, and leaves it when the new one is wrong', async () => {
    await using client = await setup();
    await client.init();
    const { simulator } = client;
    simulator.addTarget('a', Buffer.from('old'));
    await simulator.publish('targets', 'snapshot', 'timestamp');
    expect(await client.download('a')).toBe(0);
    simulator.addTarget('a', Buffer.from('new'), { served: Buffer.from('bad') });
    await simulator.publish('targets', 'snapshot', 'timestamp');
    expect(await client.download('a')).toBe(1);
    expect(await client.downloaded()).toEqual(['old']);
    simulator.addTarget('a', Buffer.from('new'));
    expect(await client.download('a')).toBe(0);
    expect(await client.downloaded()).toEqual(['new']);
  });

  it('takes no target without a SHA-256', async () => {
    await using client = await setup();
    await client.init();
    const { simulator } = client;
    simulator.addTarget('a', Buffer.from('bytes'), { hash: 'unknown' });
    await simulator.publish('targets', 'snapshot', 'timestamp');
    expect(await client.download('a')).toBe(1);
  });

  it.each([
    [['refresh']],
    [['init']],
    [['upload']],
    [['--metadata-url', 'http://127.0.0.1:9/', 'download']],
  ])('says that it was called wrongly by %j', async (argv) => {
    await using workplace = await makeWorkplace();
    const { code } = await workplace.run('agent', 'conformance', '--metadata-dir', 'md', ...argv);
    expect(code).toBe(2);
  });
});
