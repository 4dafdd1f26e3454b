import { describe, expect, it } from '@jest/globals';
import { NO_TRUST_CHANGE } from '../../adapters/repository/draft-proposal.ts';
import type { Signer } from '../../adapters/signing/signer.ts';
import { rolesNamed } from '../../repo-tools/ceremony/options.ts';
import { rotation } from '../../repo-tools/ceremony/rotation.ts';
import { changeTrust } from '../support/change-trust.ts';
import { exampleSigner } from '../support/example-keys.ts';
import { openPatient } from '../support/example-repository.ts';
import { DAY_MS } from '../support/rollouts.ts';
import { seededSigner } from '../support/seeded-signer.ts';
import { NOW, setup, START } from './setup.ts';

type Server = Awaited<ReturnType<typeof setup>>;

/** What people do with a computer of their own while the server runs. */
async function rotateOnline({ storage, signers }: Server, key: Signer): Promise<void> {
  await changeTrust({ storage, now: NOW, signers: [...Object.values(signers), key] }, (state) => ({
    ...NO_TRUST_CHANGE,
    keys: rotation(state, rolesNamed('online'), { keys: [key.key], threshold: 1 }),
  }));
}

const PAUSE = { reason: 'a closer look' };

async function start(server: Server): Promise<string> {
  const { body } = await server.post('/api/v1/rollouts', START);
  await server.context.commitPending();
  return body.id;
}

describe('a rotation of the online keys while the server runs', () => {
  it('is gone through without a restart by a server that has the old key and the new one', async () => {
    const next = await seededSigner('next online');
    await using server = await setup({ signers: [await exampleSigner('online'), next] });
    const id = await start(server);
    expect(await server.committed()).toMatchObject([{ id, state: 'running' }]);
    await rotateOnline(server, next);
    expect((await server.checkIn()).body).toMatchObject({ decision: 'update' });
    await server.post(`/api/v1/rollouts/${id}/pause`, PAUSE);
    await server.context.commitPending();
    expect(await server.committed()).toMatchObject([{ id, state: 'paused' }]);
    server.clock.now = new Date(NOW.getTime() + 5 * DAY_MS);
    expect(server.context.link.isRenewalDue()).toBe(true);
    await server.context.link.renew();
    const { root, timestamp } = await openPatient(server.storage).load();
    expect(root.roles.timestamp.keyids).toEqual([next.keyId]);
    expect(new Date(timestamp.expires).getTime()).toBe(
      Math.floor(server.clock.now.getTime() / 1000) * 1000 + 7 * DAY_MS,
    );
    await server.get('/readyz').expect(200);
  });

  it('leaves a verb that came in between to be committed with the new key', async () => {
    const next = await seededSigner('next online');
    await using server = await setup({ signers: [await exampleSigner('online'), next] });
    const id = await start(server);
    await server.post(`/api/v1/rollouts/${id}/pause`, PAUSE);
    await rotateOnline(server, next);
    await server.context.commitPending();
    expect(await server.committed()).toMatchObject([{ id, state: 'paused' }]);
    expect(await server.state.pendingVerbs()).toEqual([]);
  });

  it('leaves a server that has only the old key answering polls, with its verbs kept and its fault said', async () => {
    const next = await seededSigner('next online');
    await using server = await setup();
    const id = await start(server);
    await rotateOnline(server, next);
    await server.post(`/api/v1/rollouts/${id}/pause`, PAUSE);
    await expect(server.context.commitPending()).rejects.toMatchObject({
      code: 'repository/signers',
    });
    expect((await server.checkIn()).body).toMatchObject({ reason: 'paused' });
    expect(await server.state.pendingVerbs()).toHaveLength(1);
    const ready = await server.get('/readyz');
    expect(ready.status).toBe(503);
    expect(JSON.stringify(ready.body)).toContain(next.keyId);
    await expect(server.restart()).rejects.toMatchObject({ code: 'server/key' });
  });
});
