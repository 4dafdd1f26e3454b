import { describe, expect, it } from '@jest/globals';
import { HALF_AT_ONCE, reportOf, setup, START, TOKEN } from '../server/setup.ts';
import { makeWorkplace } from '../support/cli.ts';

/** A server with three hosts, and the command line of an operator. */
async function fleetOfThree() {
  const resources = new AsyncDisposableStack();
  const server = resources.use(await setup());
  const workplace = resources.use(await makeWorkplace());
  workplace.env['TIDEGATE_SERVER'] = server.url;
  workplace.env['TIDEGATE_TOKEN'] = TOKEN;
  const { body: rollout } = await server.post('/api/v1/rollouts', {
    ...START,
    policy: HALF_AT_ONCE,
  });
  await server.checkIn({ id: 'a-1', group: 'prod', labels: { zone: 'a' }, seed: 2000 });
  await server.checkIn({ id: 'a-2', labels: { zone: 'b' } });
  await server.checkIn({ id: 'b-1' }, { reports: [reportOf({ rolloutId: rollout.id })] });
  return {
    server,
    workplace,
    rolloutId: String(rollout.id),
    [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
  };
}

describe('tidegate host list', () => {
  it('lists hosts for people', async () => {
    await using place = await fleetOfThree();
    expect((await place.workplace.must('host', 'list')).split('\n')).toEqual([
      'a-1  aws-k8s-1.32 x86_64 1.0.0  idle  prod  seen 2040-01-01T00:00:00.500Z',
      'a-2  aws-k8s-1.32 x86_64 1.0.0  idle  -  seen 2040-01-01T00:00:00.500Z',
      'b-1  aws-k8s-1.32 x86_64 1.0.0  idle  -  seen 2040-01-01T00:00:00.500Z',
    ]);
  });

  it.each([
    { argv: ['--group', 'prod'], ids: ['a-1'] },
    { argv: ['--label', 'zone=b'], ids: ['a-2'] },
    { argv: ['--id-prefix', 'a-'], ids: ['a-1', 'a-2'] },
    { argv: ['--version', '9.0.0'], ids: [] },
    { argv: ['--state', 'idle', '--arch', 'x86_64', '--limit', '2'], ids: ['a-1', 'a-2'] },
  ])('finds $ids by $argv, as JSON', async ({ argv, ids }) => {
    await using place = await fleetOfThree();
    const { hosts } = JSON.parse(await place.workplace.must('host', 'list', ...argv, '--json'));
    expect(hosts.map(({ id }: { id: string }) => id)).toEqual(ids);
  });

  it.each([
    { progress: 'failed', ids: ['b-1'] },
    { progress: 'overdue', ids: ['a-2'] },
  ])('finds the hosts that are $progress in a rollout', async ({ progress, ids }) => {
    await using place = await fleetOfThree();
    const { workplace, server, rolloutId } = place;
    const { now } = server.clock;
    await server.state.recordOffers([{ rolloutId, hostId: 'a-2', at: now }]);
    await server.state.markOverdue(rolloutId, new Date(now.getTime() + 1));
    const argv = ['host', 'list', '--rollout', rolloutId, '--progress', progress, '--json'];
    const { hosts } = JSON.parse(await workplace.must(...argv));
    expect(hosts.map(({ id }: { id: string }) => id)).toEqual(ids);
  });

  it('goes through as many pages as it takes, and says when there is more', async () => {
    await using place = await fleetOfThree();
    const { workplace, server } = place;
    await server.state.touchHosts(
      Array.from({ length: 1200 }, (_, index) => ({
        ...{ id: `n${String(index).padStart(4, '0')}`, ...START, seed: 1, group: null },
        ...{ labels: {}, state: 'idle', seenAt: server.clock.now },
      })),
    );
    const all = await workplace.run('host', 'list', '--limit', '5000', '--json');
    expect([JSON.parse(all.stdout).hosts.length, all.stderr]).toEqual([1203, '']);
    const some = await workplace.run('host', 'list', '--limit', '1100', '--json');
    expect(JSON.parse(some.stdout).hosts).toHaveLength(1100);
    expect(some.stderr).toContain('--limit');
  });

  it.each([
    { case: 'a limit of nothing', argv: ['--limit', '0'], code: 2 },
    { case: 'an unknown standing', argv: ['--rollout', 'x', '--progress', 'lost'], code: 2 },
    { case: 'a standing in no rollout', argv: ['--progress', 'failed'], code: 1 },
    { case: 'a label without a value', argv: ['--label', 'zone'], code: 1 },
  ])('refuses $case', async ({ argv, code }) => {
    await using place = await fleetOfThree();
    const ran = await place.workplace.run('host', 'list', ...argv);
    expect([ran.code, ran.stdout]).toEqual([code, '']);
  });

  it('needs a server', async () => {
    await using workplace = await makeWorkplace();
    expect((await workplace.run('host', 'list')).code).toBe(2);
  });
});

describe('tidegate host show', () => {
  it('tells what a host is and what it waits for', async () => {
    await using place = await fleetOfThree();
    const { workplace, rolloutId } = place;
    expect((await workplace.must('host', 'show', 'a-1')).split('\n')).toEqual([
      'a-1  aws-k8s-1.32 x86_64 1.0.0  idle  prod  seen 2040-01-01T00:00:00.500Z',
      'seed 2000, first seen 2040-01-01T00:00:00.500Z',
      'labels: zone=a',
      `stays: not-yet, by rollout ${rolloutId}, eligible at 2040-01-02T00:00:00.500Z`,
    ]);
    const json = JSON.parse(await workplace.must('host', 'show', 'a-2', '--json'));
    expect(json.decision).toMatchObject({ decision: 'stay', rolloutId });
  });

  it('fails for a host that nobody saw', async () => {
    await using place = await fleetOfThree();
    const ran = await place.workplace.run('host', 'show', 'nobody');
    expect([ran.code, ran.stderr]).toEqual([1, expect.stringContaining('no host nobody')]);
  });
});
