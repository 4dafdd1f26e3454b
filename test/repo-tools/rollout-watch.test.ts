import { describe, expect, it, jest } from '@jest/globals';
import { openPatient } from '../support/example-repository.ts';
import {
  HALF_AT_ONCE,
  NOW,
  publishReleases,
  reportOf,
  setup,
  START,
  TOKEN,
} from '../server/setup.ts';
import { makeWorkplace } from '../support/cli.ts';

const REASON = { reason: 'a closer look' };
/** So long that only the server's events can be what made it look again. */
const NEVER = ['--every', '1 day'];

async function watched() {
  const resources = new AsyncDisposableStack();
  const server = resources.use(await setup());
  const workplace = resources.use(await makeWorkplace());
  workplace.env['TIDEGATE_SERVER'] = server.url;
  workplace.env['TIDEGATE_TOKEN'] = TOKEN;
  workplace.now = NOW;
  const { body } = await server.post('/api/v1/rollouts', { ...START, policy: HALF_AT_ONCE });
  const id = String(body.id);
  const following = new Promise<void>((resolve) => {
    const follow = server.context.events.follow.bind(server.context.events);
    jest.spyOn(server.context.events, 'follow').mockImplementation((...args) => {
      resolve();
      return follow(...args);
    });
  });
  return {
    server,
    workplace,
    id,
    /** Resolves when the watcher has the server's events. */
    following,
    verb: (verb: string, more: object = REASON) =>
      server.post(`/api/v1/rollouts/${id}/${verb}`, more).expect(200),
    [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
  };
}

describe('tidegate rollout watch', () => {
  it('prints a line of JSON for every change that the server tells, until it is done', async () => {
    await using place = await watched();
    const { workplace, id, following, verb } = place;
    const ran = workplace.run('rollout', 'watch', id, '--json', ...NEVER);
    await following;
    await verb('withdraw');
    const { code, stdout } = await ran;
    const states = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).state);
    expect([code, states.at(-1)]).toEqual([0, 'withdrawn']);
    expect(states.length).toBeLessThanOrEqual(2);
  });

  it('looks again by itself where no event tells of a change', async () => {
    await using place = await watched();
    const { workplace, id, server, verb } = place;
    await verb('advance', {});
    await verb('advance', {});
    server.clock.now = new Date(NOW.getTime() + 2 * 86_400_000);
    const ran = await workplace.run('rollout', 'watch', id, '--every', '1 second');
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(ran.stdout).toMatch(
      /^2040-\S+ {2}\S+ {2}aws-k8s-1.32 x86_64 1.1.0 {2}complete {2}tide 100 %/,
    );
  });

  it('goes on until the hosts of a complete rollout have told how it went', async () => {
    await using place = await watched();
    const { workplace, id, server, following, verb } = place;
    await verb('advance', {});
    await verb('advance', {});
    await server.checkIn();
    const ran = workplace.run('rollout', 'watch', id, '--json', ...NEVER);
    await following;
    await server.checkIn(
      { version: '1.1.0' },
      { reports: [reportOf({ rolloutId: id, outcome: 'updated' })] },
    );
    const last = JSON.parse((await ran).stdout.trim().split('\n').at(-1) ?? '');
    expect(last.counts).toMatchObject({ waiting: 0, offered: 0, updated: 1 });
  });

  it('follows a way back in waves until no host runs the release any more', async () => {
    await using place = await watched();
    const { workplace, id, server, following, verb } = place;
    const report = (outcome: string, version: string) => {
      const { at } = { at: server.clock.now.toISOString() };
      const reports = [reportOf({ id: outcome, rolloutId: id, outcome, at })];
      return server.checkIn({ version }, { reports });
    };
    await report('updated', '1.1.0');
    await verb('roll-back', { to: '1.0.0', policy: HALF_AT_ONCE, ...REASON });
    const ran = workplace.run('rollout', 'watch', id, '--json', ...NEVER);
    await following;
    server.clock.now = new Date(NOW.getTime() + 2 * 86_400_000);
    await report('rolled-back', '1.0.0');
    const views = (await ran).stdout.trim().split('\n');
    const last = JSON.parse(views.at(-1) ?? '');
    expect(last).toMatchObject({ state: 'rolled-back', counts: { updated: 0, rolledBack: 1 } });
    expect(views.length).toBeGreaterThanOrEqual(2);
  });

  it('ends with a rollout that a newer one superseded', async () => {
    await using place = await watched();
    const { workplace, id, server } = place;
    await publishReleases(openPatient(server.storage), server.signers, [
      { version: '1.2.0', rollbackTo: [] },
    ]);
    await server.post('/api/v1/rollouts', { ...START, version: '1.2.0' }).expect(201);
    await place.verb('supersede');
    expect(await workplace.run('rollout', 'watch', id, ...NEVER)).toMatchObject({ code: 0 });
  });

  it('draws what the gate waits for, at which the tide stands', async () => {
    await using place = await watched();
    const { workplace, server } = place;
    const gate = 'gate = { success_percentage = 90, minimum = 5, approval = true }';
    await place.verb('withdraw');
    const policy = `${HALF_AT_ONCE}${gate}`;
    const { body } = await server.post('/api/v1/rollouts', { ...START, policy });
    server.clock.now = new Date(NOW.getTime() + 2 * 86_400_000);
    const pictures: string[] = [];
    workplace.terminal = (text) => pictures.push(text);
    await workplace.run('rollout', 'watch', body.id, '--once');
    expect(pictures.join('')).toContain(
      'gate   of wave 2 waits for a person (tidegate rollout approve) and for more hosts that come through',
    );
  });

  it('draws the tide, the hosts and the gate over the picture before', async () => {
    await using place = await watched();
    const { workplace, id, server, following, verb } = place;
    const pictures: string[] = [];
    workplace.terminal = (text) => pictures.push(text);
    await server.checkIn();
    const ran = workplace.run('rollout', 'watch', id, ...NEVER);
    await following;
    await verb('withdraw');
    await ran;
    expect(pictures.at(0)).toContain('hosts  1 waiting, 0 offered');
    expect(pictures.at(0)).toContain('gate   none holds it now');
    expect(pictures.at(0)).toMatch(/tide {3}[█░]{40} {2}0 % {2}\(0 of 2048\)/);
    expect(pictures.at(-1)).toContain('withdrawn, standing');
    expect(pictures.slice(1).every((picture) => picture.startsWith('\u001B[5A\u001B[0J'))).toBe(
      true,
    );
  });

  it('looks once, and ends when it is asked to', async () => {
    await using place = await watched();
    const { workplace, id } = place;
    const once = await workplace.run('rollout', 'watch', id, '--once', '--json');
    expect([once.code, JSON.parse(once.stdout).phase]).toEqual([0, 'scheduled']);
    workplace.stop.abort();
    expect(await workplace.run('rollout', 'watch', id, ...NEVER)).toMatchObject({ code: 0 });
  });

  it('fails for an unknown rollout and for a time that is none', async () => {
    await using place = await watched();
    const { workplace, id } = place;
    expect((await workplace.run('rollout', 'watch', 'nobody')).code).toBe(1);
    expect((await workplace.run('rollout', 'watch', id, '--every', 'soon')).code).toBe(2);
  });
});

describe('a verb that stops or takes back', () => {
  it.each([
    { argv: ['pause'], says: /1 hosts wait for it, 0 were offered.*none of them starts/ },
    { argv: ['withdraw'], says: /1 hosts wait for it.*0 hosts run it and stay on it/ },
    {
      argv: ['rollback', '--to', '1.0.0'],
      says: /0 hosts run it; to 1\.0\.0 go 0 at their next poll and 0 later/,
    },
  ])(
    'tells whom it concerns before it asks: $argv',
    async ({ argv: [verb = '', ...more], says }) => {
      await using place = await watched();
      const { workplace, id, server } = place;
      await server.checkIn();
      const asked: string[] = [];
      workplace.confirm = async (question) => {
        asked.push(question);
        return asked.length > 1;
      };
      const argv = ['rollout', verb, id, ...more, '--reason', 'drill'];
      const declined = await workplace.run(...argv);
      expect([declined.code, declined.stdout]).toEqual([1, '']);
      expect(declined.stderr).toMatch(says);
      expect((await server.get(`/api/v1/rollouts/${id}`)).body.state).toBe('running');
      const agreed = await workplace.run(...argv);
      expect([agreed.code, asked]).toEqual([0, Array(2).fill(`${verb} rollout ${id}?`)]);
      expect((await server.get(`/api/v1/rollouts/${id}`)).body.state).not.toBe('running');
    },
  );

  it('does not ask with --yes, but tells whom it concerns', async () => {
    await using place = await watched();
    const { workplace, id } = place;
    workplace.confirm = () => Promise.reject(new Error('it asked'));
    const ran = await workplace.run('rollout', 'pause', id, '--reason', 'drill', '--yes');
    expect([ran.code, ran.stderr]).toEqual([0, expect.stringContaining('hosts wait for it')]);
  });

  it.each([
    { case: 'a pause without --yes', argv: ['pause', '--reason', 'drill'] },
    { case: 'a way back without --yes', argv: ['rollback', '--to', '1.0.0', '--reason', 'drill'] },
    { case: 'a withdrawal without a reason', argv: ['withdraw', '--yes'] },
  ])(
    'is refused in a script, and nothing is done: $case',
    async ({ argv: [verb = '', ...more] }) => {
      await using place = await watched();
      const { workplace, id, server } = place;
      const { code, stdout, stderr } = await workplace.run('rollout', verb, id, ...more);
      expect([code, stdout]).toEqual([2, '']);
      expect(stderr).toMatch(/no terminal to ask at, and no --yes; nothing was done|--reason/);
      expect((await server.get(`/api/v1/rollouts/${id}`)).body.state).toBe('running');
    },
  );
});
