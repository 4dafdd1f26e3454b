import { describe, expect, it } from '@jest/globals';
import { firstOperator, RIGHTS, tokenDigest } from '../../core/operators.ts';
import type { Right } from '../../core/operators.ts';
import { setup, START, TOKEN } from './setup.ts';

const ROLLOUTS = '/api/v1/rollouts';

/** Which right each kind of request takes. */
const REQUESTS: readonly (readonly ['get' | 'post' | 'put', string, Right])[] = [
  ['get', ROLLOUTS, 'read'],
  ['get', `${ROLLOUTS}/x`, 'read'],
  ['get', '/api/v1/hosts', 'read'],
  ['get', '/api/v1/audit', 'read'],
  ['get', '/api/v1/fleet', 'read'],
  ['post', `${ROLLOUTS}/x/roll-back/impact`, 'read'],
  ['post', '/api/v1/repository/commit', 'publish'],
  ['post', '/api/v1/Repository/Refresh/', 'publish'],
  ['post', ROLLOUTS, 'start'],
  ['post', `${ROLLOUTS}/`, 'start'],
  ['post', `${ROLLOUTS}/x/pause`, 'pause'],
  ['post', `${ROLLOUTS}/x/resume`, 'steer'],
  ['post', `${ROLLOUTS}/pause/resume`, 'steer'],
  ['post', `${ROLLOUTS}/x/advance`, 'steer'],
  ['post', `${ROLLOUTS}/x/approve`, 'steer'],
  ['post', `${ROLLOUTS}/x/withdraw`, 'steer'],
  ['post', `${ROLLOUTS}/x/roll-back`, 'steer'],
  ['put', '/api/v1/fleet', 'steer'],
];

async function serverWith(rights: readonly Right[]) {
  const token = `token-of-${rights.join('-')}`;
  const alice = { name: 'alice', tokenSha256: tokenDigest(token), rights };
  const server = await setup({ operators: [firstOperator(TOKEN), alice] });
  const as = (method: 'get' | 'post' | 'put', path: string, body: object = {}) => {
    const call = server.agent[method](path).set('authorization', `Bearer ${token}`);
    return method === 'get' ? call : call.send({ requestId: 'one-request', ...body });
  };
  return { ...server, as };
}

describe('an operator with rights', () => {
  it.each(RIGHTS)('may do what the right %s is for, and nothing else', async (right) => {
    await using server = await serverWith([right]);
    for (const [method, path, needed] of REQUESTS) {
      const { status, body } = await server.as(method, path);
      const isForbidden = status === 403 && body.code === 'request/forbidden';
      expect([path, isForbidden]).toEqual([path, needed !== right]);
      expect(status).not.toBe(401);
    }
  });

  it('is told which right is lacking, and who it is taken for', async () => {
    await using server = await serverWith(['read', 'pause']);
    const { body } = await server.as('post', ROLLOUTS, START);
    expect(body).toMatchObject({
      title: 'Forbidden',
      detail: "alice has not the right 'start'",
      hints: ['its rights are read, pause'],
    });
    expect((await server.get(ROLLOUTS)).body.rollouts).toEqual([]);
  });

  it('is named in the history of a rollout and in the audit log', async () => {
    await using server = await serverWith(['start', 'read']);
    const { body } = await server.as('post', ROLLOUTS, START);
    await server.post(`${ROLLOUTS}/${body.id}/pause`, { reason: 'a closer look' });
    const rollout = await server.as('get', `${ROLLOUTS}/${body.id}`);
    const told = ({ verb, by }: { readonly verb: string; readonly by: string }) => [verb, by];
    expect(rollout.body.history.map(told)).toEqual([
      ['start', 'alice'],
      ['pause', 'operator'],
    ]);
    const { body: audit } = await server.as('get', '/api/v1/audit');
    const actors = audit.entries.map((entry: { actor: string }) => entry.actor);
    expect(actors).toEqual(['alice', 'operator']);
  });
});
