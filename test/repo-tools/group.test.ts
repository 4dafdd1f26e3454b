import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { setup, START, TOKEN } from '../server/setup.ts';
import { makeWorkplace } from '../support/cli.ts';

const FLEET = `
[[groups]]
name = 'prod'
delay = '2 days'

[[groups]]
name = 'dev'

[[freezes]]
from = '2041-01-01T00:00:00Z'
to = '2041-01-02T00:00:00Z'
reason = 'new year'
groups = ['prod']
`;

/** A server that knows two hosts of prod and one of dev, which was offered 1.1.0. */
async function withGroups() {
  const resources = new AsyncDisposableStack();
  const server = resources.use(await setup());
  const workplace = resources.use(await makeWorkplace());
  Object.assign(workplace.env, { TIDEGATE_SERVER: server.url, TIDEGATE_TOKEN: TOKEN });
  await writeFile(join(workplace.folder, 'fleet.toml'), FLEET);
  await workplace.must('rollout', 'apply', '-f', 'fleet.toml');
  const { body: rollout } = await server.post('/api/v1/rollouts', START);
  await server.checkIn({ id: 'p-1', group: 'prod' });
  await server.checkIn({ id: 'p-2', group: 'prod', version: '0.9.0' });
  await server.checkIn({ id: 'd-1', group: 'dev' });
  return {
    workplace,
    rolloutId: String(rollout.id),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

describe('tidegate group list', () => {
  it('shows the hosts, the versions and the rules of each group', async () => {
    await using place = await withGroups();
    expect((await place.workplace.must('group', 'list')).split('\n')).toEqual([
      'prod  2 hosts  1.0.0: 1, 0.9.0: 1  delay "2 days"',
      `dev  1 hosts  1.0.0: 1  1 under way to 1.1.0 (rollout ${place.rolloutId})`,
    ]);
  });

  it('is the answer of the server as JSON', async () => {
    await using place = await withGroups();
    const { groups } = JSON.parse(await place.workplace.must('group', 'list', '--json'));
    expect(groups).toMatchObject([
      { name: 'prod', hosts: 2, rules: { delay: '2 days' }, freezes: [{ reason: 'new year' }] },
      { name: 'dev', hosts: 1, underWay: [{ rolloutId: place.rolloutId, hosts: 1 }] },
    ]);
  });
});

describe('tidegate group show', () => {
  it('shows one group in full', async () => {
    await using place = await withGroups();
    expect((await place.workplace.must('group', 'show', 'prod')).split('\n')).toEqual([
      'prod: 2 hosts',
      '  aws-k8s-1.32 x86_64 1.0.0: 1 hosts',
      '  aws-k8s-1.32 x86_64 0.9.0: 1 hosts',
      'delay: "2 days"',
      expect.stringMatching(/^freeze: .*new year/),
    ]);
    const shown = JSON.parse(await place.workplace.must('group', 'show', 'dev', '--json'));
    expect(shown).toMatchObject({ name: 'dev', hosts: 1 });
  });

  it('fails for a group that is not there, and names those that are', async () => {
    await using place = await withGroups();
    const { code, stdout, stderr } = await place.workplace.run('group', 'show', 'test');
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain('groups: prod, dev');
  });
});
