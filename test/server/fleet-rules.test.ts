import { randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { openRepository } from '../../adapters/repository/repository.ts';
import { readManifest } from '../../adapters/repository/rollouts.ts';
import { fleetRecordSchema } from '../../core/fleet-view.ts';
import { whySchema } from '../../core/why.ts';
import { HALF_AT_ONCE, NOW, setup, START } from './setup.ts';

const FLEET = '/api/v1/fleet';
const RULES = {
  groups: [
    { name: 'canary', first: true },
    { name: 'prod', delay: '2 days', concurrency: [{ limit: 3 }] },
  ],
  excludes: { 'host-9': 'new disk' },
};

async function committed({ storage }: Awaited<ReturnType<typeof setup>>) {
  const repository = openRepository({ storage, now: () => NOW });
  return (await readManifest(repository, await repository.load())).fleet;
}

describe('PUT /api/v1/fleet', () => {
  it('takes rules that the next poll obeys, and commits them to the manifest', async () => {
    await using server = await setup();
    await server.post('/api/v1/rollouts', START);
    expect((await server.checkIn()).body.decision).toBe('update');
    const put = await server.put(FLEET, {
      rules: { excludes: { 'host-1': 'broken' } },
      reason: 'why not',
    });
    expect(put.status).toBe(200);
    expect((await server.checkIn()).body).toMatchObject({ decision: 'stay', reason: 'excluded' });
    expect((await server.checkIn({ id: 'host-2' })).body.decision).toBe('update');
    await server.context.commitPending();
    const record = await committed(server);
    expect([...record.rules.excludes.keys()]).toEqual(['host-1']);
    expect(record.history).toMatchObject([{ verb: 'apply-fleet', reason: 'why not' }]);
    expect(fleetRecordSchema.parse((await server.get(FLEET)).body)).toEqual(record);
  });

  it('still obeys rules after a restart between the answer and the commit', async () => {
    await using server = await setup();
    await server.put(FLEET, { rules: RULES });
    const restarted = await server.restart();
    expect(restarted.fleet.view.fleet.rules.groups.map(({ name }) => name)).toEqual([
      ...['canary', 'prod'],
    ]);
    await restarted.commitPending();
    expect((await committed(server)).rules.groups).toHaveLength(2);
  });

  it('does a request that is sent again only once, and refuses another under its id', async () => {
    await using server = await setup();
    const requestId = randomUUID();
    await server.put(FLEET, { requestId, rules: RULES });
    await server.put(FLEET, { rules: {} });
    const again = await server.put(FLEET, { requestId, rules: RULES });
    expect([again.status, again.body.history.length]).toEqual([200, 2]);
    expect((await server.get(FLEET)).body.rules).toEqual({});
    const other = await server.put(FLEET, { requestId, rules: { pins: { a: '1.0.0' } } });
    expect([other.status, other.body.code]).toEqual([409, 'request/conflict']);
    const rollout = await server.post('/api/v1/rollouts', { ...START, requestId });
    expect([rollout.status, rollout.body.code]).toEqual([409, 'request/conflict']);
  });

  it('replaces only the rules that it is told to, so that nobody undoes what another has just done', async () => {
    await using server = await setup();
    const first = await server.get(FLEET);
    const put = (rules: object, tag: string) => server.put(FLEET, { rules }).set('If-Match', tag);
    const { headers } = await put(RULES, String(first.headers['etag'])).expect(200);
    const late = await put({ excludes: { a: 'b' } }, String(first.headers['etag']));
    expect([late.status, late.body.code]).toEqual([412, 'rollout/other-rules']);
    expect((await server.get(FLEET)).body.rules).toEqual(RULES);
    expect((await server.get(FLEET)).headers['etag']).toBe(headers['etag']);
    await put({}, String(headers['etag'])).expect(200);
    await put(RULES, '*').expect(200);
    expect((await put({}, 'W/"1"')).body.code).toBe('request/invalid');
  });

  it.each([
    { case: 'an unknown key', rules: { quota: 1 }, code: 'fleet/unknown-key' },
    { case: 'a wrong value', rules: { groups: [{ name: 'a', delay: 7 }] }, code: 'fleet/value' },
    {
      case: 'rules that contradict',
      rules: { groups: [{ name: 'a' }, { name: 'a' }] },
      code: 'fleet/contradiction',
    },
    { case: 'no rules', rules: undefined, code: 'request/invalid' },
  ])('refuses $case and changes nothing', async ({ rules, code }) => {
    await using server = await setup();
    await server.put(FLEET, { rules: RULES });
    const answer = await server.put(FLEET, { rules });
    expect([answer.status, answer.body.code]).toEqual([400, code]);
    expect((await server.get(FLEET)).body.rules).toEqual(RULES);
  });
});

describe('GET /api/v1/hosts/{id}/why', () => {
  it('names every rule, the one that holds, the place in the queue and the time', async () => {
    await using server = await setup();
    await server.post('/api/v1/rollouts', { ...START, policy: HALF_AT_ONCE });
    await server.put(FLEET, { rules: RULES });
    await server.checkIn({ group: 'prod', seed: 2000 });
    const why = whySchema.parse((await server.get('/api/v1/hosts/host-1/why')).body);
    expect(why).toMatchObject({ group: 'prod', decision: 'stay', reason: 'not-yet' });
    const [step] = why.steps;
    expect(step?.rules.map(({ rule }) => rule)).toEqual([
      ...['exclude', 'dead-end', 'barrier', 'lock', 'state'],
      ...['tide', 'freeze', 'window', 'failure', 'concurrency'],
    ]);
    expect(step).toMatchObject({
      heldBy: 'tide',
      position: { seed: 2000, of: 2048, tide: 0, wave: 2, waves: 2 },
      eligibleAt: new Date(NOW.getTime() + 3 * 86_400_000).toISOString().replace('.000', ''),
    });
    expect(step?.assumes).toContain('a lease is free then');
  });

  it('says why an excluded host is left alone, in the words of who excluded it', async () => {
    await using server = await setup();
    await server.post('/api/v1/rollouts', START);
    await server.put(FLEET, { rules: RULES });
    await server.checkIn({ id: 'host-9' });
    const { body } = await server.get('/api/v1/hosts/host-9/why');
    expect(body).toMatchObject({
      reason: 'excluded',
      steps: [{ heldBy: 'exclude', eligibleAt: null }],
    });
    expect(body.steps[0].rules[0]).toMatchObject({ verdict: 'hold', detail: 'new disk' });
  });

  it('knows nothing of a host that was never seen', async () => {
    await using server = await setup();
    const answer = await server.get('/api/v1/hosts/nobody/why');
    expect([answer.status, answer.body.code]).toEqual([404, 'request/not-there']);
  });
});
