import { appendFile, readFile, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { runCountedCycle } from '../../../agent/counted-cycle.ts';
import { asOnlyAgent } from '../../../agent/lock.ts';
import { provision } from '../../../agent/provision.ts';
import { callSocket, Daemon, SlowDaemon } from '../../support/daemon.ts';
import { hostWorld, sendTo, stay } from '../../support/host-world.ts';
import type { HostWorld } from '../../support/host-world.ts';

/** A host on 1.0.0 that is to go to 1.1.0, and has an API. */
async function setup() {
  const world = await hostWorld({ now: new Date() });
  const socket = join(world.folder, 'api.sock');
  await appendFile(world.configFile, `[api]\nsocket = '${socket}'\n`);
  await provision(await world.agent(), '1.0.0');
  await world.start('1.1.0');
  world.answer = sendTo('1.1.0');
  return { world, socket, status: () => callSocket(socket, 'GET', '/v1/status') };
}

/** A bug that a worker meets in each cycle, when it makes the folder of its lock. */
const BUGGY = `data:text/javascript,${encodeURIComponent(`
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
fs.mkdir = async () => { throw new TypeError('a bug'); };
syncBuiltinESMExports();
`)}`;

/** From now on downloads of the image hang; settles when one does. */
function hang(world: HostWorld): Promise<void> {
  const asked = Promise.withResolvers<void>();
  world.tamper = (path) => {
    if (!path.endsWith('1.1.0-hash')) return null;
    asked.resolve();
    return 'handled';
  };
  return asked.promise;
}

/** Settles when a process has gone, with a look at it as often as the kernel lets others run. */
async function gone(pid: number): Promise<void> {
  const isThere = () =>
    readFile(`/proc/${pid}/stat`, 'utf8').then(
      (line) => !/\) Z /.test(line),
      () => false,
    );
  while (await isThere()) await new Promise(setImmediate);
}

describe('agent run', () => {
  it('polls, tells events as JSON lines, and has no process but its own between two cycles', async () => {
    const { world } = await setup();
    await using _ = world;
    await using daemon = new Daemon(world.configFile);
    await daemon.event('cycle');
    await expect(world.activeVersion()).resolves.toBe('1.1.0');
    expect(daemon.events('staged')).toHaveLength(1);
    expect(daemon.events('activated')).toMatchObject([{ to: '1.1.0', host: 'host-1' }]);
    while ((await daemon.workers()).length > 0) await new Promise(setImmediate);
  });

  it('comes again when the server says', async () => {
    const { world } = await setup();
    await using _ = world;
    world.answer = () => ({ ...stay('up-to-date'), nextCheckInSeconds: 1 });
    await using daemon = new Daemon(world.configFile);
    await expect(daemon.event('cycle', 1)).resolves.toMatchObject({ result: 'stayed' });
  });

  it.each(['SIGTERM', 'SIGINT'] as const)(
    'ends at %s in the middle of a download that does not come, with nothing lost',
    async (signal) => {
      const { world } = await setup();
      await using _ = world;
      const asked = hang(world);
      await using daemon = new Daemon(world.configFile);
      await asked;
      const [worker = 0] = await daemon.workers();
      daemon.kill(signal);
      await expect(daemon.ended).resolves.toBe(0);
      await gone(worker);
      expect(daemon.events('cycle-failed')).toEqual([]);
      await expect(world.activeVersion()).resolves.toBe('1.0.0');
      world.tamper = () => null;
      const result = await runCountedCycle(await world.agent());
      expect(result).toMatchObject({ result: 'updated' });
    },
  );

  it('ends while it is about to start', async () => {
    const { world } = await setup();
    await using _ = world;
    await using daemon = new Daemon(world.configFile);
    while ((await daemon.workers()).length === 0) await new Promise(setImmediate);
    daemon.kill('SIGTERM');
    await expect(daemon.ended).resolves.toBe(0);
    expect(daemon.lines.filter((line) => !line.startsWith('{'))).toEqual([]);
  });

  it('leaves nobody at work when it is killed', async () => {
    const { world } = await setup();
    await using _ = world;
    const asked = hang(world);
    await using daemon = new Daemon(world.configFile);
    await asked;
    const [worker = 0] = await daemon.workers();
    daemon.kill('SIGKILL');
    await gone(worker);
    const { config } = await world.agent();
    await asOnlyAgent(config.stateFolder, async () => {});
  });

  it('goes on when a worker is killed, and says so', async () => {
    const { world } = await setup();
    await using _ = world;
    const asked = hang(world);
    await using daemon = new SlowDaemon(world.configFile);
    await asked;
    daemon.killWorker('SIGKILL');
    await expect(daemon.event('cycle-failed')).resolves.toMatchObject({
      ...{ code: 'agent/worker', message: 'the worker ended with SIGKILL' },
    });
    world.tamper = () => null;
    await daemon.nextCycle();
    await expect(daemon.event('cycle')).resolves.toMatchObject({ result: 'updated' });
  });

  it('goes on when a worker ends by a bug, and says so', async () => {
    const { world, status } = await setup();
    await using _ = world;
    await using daemon = new SlowDaemon(world.configFile, ['--import', BUGGY]);
    await expect(daemon.event('cycle-failed')).resolves.toMatchObject({
      ...{ code: 'agent/worker', message: 'the worker ended with exit code 1' },
    });
    expect(daemon.lines).toContainEqual(expect.stringContaining('this is a bug in tidegate'));
    await daemon.nextCycle();
    await daemon.event('cycle-failed', 1);
    await expect(status()).resolves.toMatchObject({ status: 200 });
  });

  it('ends with one clear error when its configuration is wrong from the beginning', async () => {
    const { world } = await setup();
    await using _ = world;
    await appendFile(world.configFile, 'nonsense = 1\n');
    await using daemon = new Daemon(world.configFile);
    await expect(daemon.ended).resolves.toBe(1);
    expect(daemon.lines).toEqual([
      expect.stringMatching(/^tidegate: error: .*agent\.toml, line \d+: .*nonsense/),
    ]);
  });

  it('obeys a configuration that was changed meanwhile, and outlives one that is wrong', async () => {
    const { world } = await setup();
    await using _ = world;
    world.answer = () => stay('up-to-date');
    const right = await readFile(world.configFile, 'utf8');
    await using daemon = new SlowDaemon(world.configFile);
    await daemon.event('cycle');
    await writeFile(world.configFile, `${right}nonsense = 1\n`);
    await daemon.nextCycle();
    await expect(daemon.event('cycle-failed')).resolves.toMatchObject({
      ...{ code: 'agent/config', message: expect.stringContaining('nonsense') },
    });
    await writeFile(world.configFile, right.replace("id = 'host-1'", "id = 'host-2'"));
    await daemon.nextCycle();
    await expect(daemon.event('cycle', 1)).resolves.toMatchObject({ host: 'host-2' });
  });

  it('is the only one on its host', async () => {
    const { world } = await setup();
    await using _ = world;
    await using daemon = new Daemon(world.configFile);
    await daemon.event('cycle');
    await using second = new Daemon(world.configFile);
    await expect(second.ended).resolves.toBe(1);
    expect(second.lines).toEqual([expect.stringContaining('another agent works on')]);
  });
});

describe('the API of agent run', () => {
  it('answers between two cycles, and while one is under way', async () => {
    const { world, socket, status } = await setup();
    await using _ = world;
    const asked = hang(world);
    await using daemon = new SlowDaemon(world.configFile);
    await asked;
    expect((await stat(socket)).mode & 0o777).toBe(0o600);
    const available = { status: 200, body: { state: 'available' } };
    await expect(status()).resolves.toMatchObject(available);
    const prepare = callSocket(socket, 'POST', '/actions/prepare-update');
    await expect(prepare).resolves.toMatchObject({ status: 423 });
    daemon.killWorker('SIGKILL');
    await daemon.event('cycle-failed');
    await expect(status()).resolves.toMatchObject(available);
  });

  it('answers each of many that call at once', async () => {
    const { world, status } = await setup();
    await using _ = world;
    await using daemon = new Daemon(world.configFile);
    await daemon.event('cycle');
    const answers = await Promise.all(Array.from({ length: 100 }, status));
    expect(answers.map(({ status: one }) => one)).toEqual(answers.map(() => 200));
  });

  it('turns away those whom a worker was to answer that was killed', async () => {
    const { world, socket, status } = await setup();
    await using _ = world;
    await using daemon = new SlowDaemon(world.configFile);
    await daemon.event('cycle');
    await status();
    daemon.killWorker('SIGSTOP');
    const callers = Array.from({ length: 5 }, () => connect(socket));
    await Promise.all(callers.map((caller) => once(caller, 'connect')));
    const closed = callers.map((caller) =>
      once(
        caller.on('error', () => {}),
        'close',
      ),
    );
    daemon.killWorker('SIGKILL');
    await Promise.all(closed);
    await expect(status()).resolves.toMatchObject({ status: 200 });
  });

  it('turns callers away while its configuration is wrong, and says why', async () => {
    const { world, socket, status } = await setup();
    await using _ = world;
    const right = await readFile(world.configFile, 'utf8');
    await using daemon = new SlowDaemon(world.configFile);
    await daemon.event('cycle');
    await daemon.idle();
    await writeFile(world.configFile, `${right}nonsense = 1\n`);
    const caller = connect(socket).on('error', () => {});
    await once(caller, 'close');
    await expect(daemon.event('api-failed')).resolves.toMatchObject({
      message: expect.stringContaining('nonsense'),
    });
    await writeFile(world.configFile, right);
    await expect(status()).resolves.toMatchObject({ status: 200 });
  });

  it('has another worker answer, at once, when one is told to end', async () => {
    const { world, socket, status } = await setup();
    await using _ = world;
    await using daemon = new SlowDaemon(world.configFile);
    await daemon.event('cycle');
    const callers = Array.from({ length: 20 }, () => connect(socket).on('error', () => {}));
    const closed = callers.map((caller) => once(caller, 'close'));
    await Promise.all(callers.map((caller) => once(caller, 'connect')));
    daemon.killWorker('SIGTERM');
    await Promise.all(closed);
    await expect(status()).resolves.toMatchObject({ status: 200 });
  });

  it('refuses what is no path', async () => {
    const { world, socket } = await setup();
    await using _ = world;
    await using daemon = new SlowDaemon(world.configFile);
    await daemon.event('cycle');
    const answer = await callSocket(socket, 'GET', '//');
    expect(answer).toMatchObject({ status: 400, body: { error: { code: 'usage/route' } } });
    expect(daemon.events('api-failed')).toEqual([]);
  });

  it('goes on with what was begun for somebody who hung up', async () => {
    const { world, socket } = await setup();
    await using _ = world;
    world.answer = () => stay('paused');
    await using daemon = new Daemon(world.configFile);
    await daemon.event('cycle');
    const caller = connect(socket);
    const asked = Promise.withResolvers<void>();
    const answered = Promise.withResolvers<void>();
    world.tamper = async (path) => {
      if (!path.endsWith('check-in')) return null;
      asked.resolve();
      await answered.promise;
      return null;
    };
    world.answer = sendTo('1.1.0');
    caller.write('POST /v1/verbs/check HTTP/1.1\r\nhost: localhost\r\n\r\n');
    await asked.promise;
    caller.destroy();
    await once(caller, 'close');
    answered.resolve();
    await expect(daemon.event('state')).resolves.toMatchObject({ from: 'idle', to: 'available' });
  });

  it('is told to end while somebody is connected who asks nothing', async () => {
    const { world, socket, status } = await setup();
    await using _ = world;
    await using daemon = new Daemon(world.configFile);
    await daemon.event('cycle');
    const mute = connect(socket);
    await once(mute, 'connect');
    await status();
    daemon.kill('SIGTERM');
    await once(mute, 'close');
    await expect(daemon.ended).resolves.toBe(0);
  });
});
