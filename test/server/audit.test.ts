import { describe, expect, it } from '@jest/globals';
import { readManifest, commitVerbs } from '../../adapters/repository/rollouts.ts';
import { verifyChain } from '../../core/audit.ts';
import type { AuditEntry } from '../../core/audit.ts';
import { auditPageSchema } from '../../core/operator-api.ts';
import { openPatient } from '../support/example-repository.ts';
import { NOW, setup, START } from './setup.ts';

const AUDIT = '/api/v1/audit';
const ROLLOUTS = '/api/v1/rollouts';
const REASON = { reason: 'a closer look' };

type Server = Awaited<ReturnType<typeof setup>>;

const logOf = (server: Server) => server.state.auditEntries({ after: 0, limit: 1000 });
const told = (log: readonly AuditEntry[]) => log.map(({ verb, event }) => `${verb} ${event}`);

async function signedHead(server: Server) {
  const repository = openPatient(server.storage);
  return (await readManifest(repository, await repository.load())).auditHead;
}

async function startCommitted(server: Server): Promise<string> {
  const { body } = await server.post(ROLLOUTS, START);
  await server.context.commitPending();
  return body.id;
}

/** A person commits a verb with the command line, past the server. */
async function commitElsewhere(server: Server, kind: 'pause' | 'resume', rolloutId: string) {
  const verb = { id: `cli-${kind}`, kind, rolloutId, at: NOW, by: 'ada@desk', reason: 'test' };
  await commitVerbs(openPatient(server.storage), {
    signers: [server.signers.online],
    verbs: [verb],
    now: NOW,
  });
}

describe('the audit log of a server', () => {
  it('tells each verb with actor, reason, before and after, and then what became of it', async () => {
    await using server = await setup();
    const id = await startCommitted(server);
    await server.post(`${ROLLOUTS}/${id}/pause`, REASON);
    await server.context.commitPending();
    const log = await logOf(server);
    expect(told(log)).toEqual([
      ...['start accepted', 'start committed', 'pause accepted', 'pause committed'],
    ]);
    expect(log[2]).toMatchObject({
      actor: 'operator',
      rolloutId: id,
      reason: 'a closer look',
      before: { state: 'running' },
      after: { state: 'paused', runningSince: null },
    });
    expect(log[3]).toMatchObject({ before: { state: 'running' }, after: { state: 'paused' } });
    expect(verifyChain(log).kind).toBe('intact');
  });

  it('tells that a verb was rejected, and why', async () => {
    await using server = await setup();
    const id = await startCommitted(server);
    await server.post(`${ROLLOUTS}/${id}/pause`, REASON);
    await commitElsewhere(server, 'pause', id);
    await server.context.commitPending();
    const log = await logOf(server);
    expect(log.at(-1)).toMatchObject({ verb: 'pause', event: 'rejected', after: null });
    expect(log.at(-1)?.message).toMatch('paused');
  });

  it('tells nothing of a verb that was refused at once', async () => {
    await using server = await setup();
    const id = await startCommitted(server);
    expect((await server.post(`${ROLLOUTS}/${id}/resume`)).status).toBe(409);
    expect(told(await logOf(server))).toEqual(['start accepted', 'start committed']);
  });

  it('tells once who committed what past the server, and its own verbs not again', async () => {
    await using server = await setup();
    const id = await startCommitted(server);
    await commitElsewhere(server, 'pause', id);
    await server.context.link.follow();
    await commitElsewhere(server, 'resume', id);
    await server.context.link.follow();
    await server.context.trail.flush();
    await server.restart();
    const log = await logOf(server);
    expect(told(log).slice(2)).toEqual(['pause found', 'resume found']);
    expect(log[2]).toMatchObject({
      actor: 'ada@desk',
      verbId: 'cli-pause',
      before: { state: 'running' },
      after: { state: 'paused' },
    });
    expect(verifyChain(log).kind).toBe('intact');
  });

  it('tells what was committed while no server ran, when the next one starts', async () => {
    await using server = await setup();
    const id = await startCommitted(server);
    await commitElsewhere(server, 'pause', id);
    await server.restart();
    expect((await logOf(server)).at(-1)).toMatchObject({
      event: 'found',
      actor: 'ada@desk',
      before: null,
      after: { state: 'paused' },
    });
  });

  it('keeps what others did in mind while the database is away', async () => {
    await using server = await setup();
    const id = await startCommitted(server);
    await commitElsewhere(server, 'pause', id);
    server.outages.state.isAway = true;
    await server.context.link.follow();
    await expect(server.context.trail.flush()).rejects.toMatchObject({ code: 'state/unavailable' });
    server.outages.state.isAway = false;
    await server.context.trail.flush();
    expect((await logOf(server)).at(-1)).toMatchObject({ verbId: 'cli-pause', event: 'found' });
  });
});

describe('the head of the audit log in the signed manifest', () => {
  it('is in every manifest that the server commits a verb with, and covers that verb', async () => {
    await using server = await setup();
    expect(await signedHead(server)).toBeNull();
    const id = await startCommitted(server);
    const [accepted] = await logOf(server);
    expect(await signedHead(server)).toEqual({ sequence: 1, hash: accepted?.hash });
    await server.post(`${ROLLOUTS}/${id}/pause`, REASON);
    await server.context.commitPending();
    const [, , paused] = await logOf(server);
    expect(await signedHead(server)).toEqual({ sequence: 3, hash: paused?.hash });
  });

  it('stays when somebody without the log commits, and when there is nothing else to commit', async () => {
    await using server = await setup();
    const id = await startCommitted(server);
    const signed = await signedHead(server);
    await commitElsewhere(server, 'pause', id);
    expect(await signedHead(server)).toEqual(signed);
    await server.context.link.follow();
    const before = server.context.fleet.view.published.state.timestamp.version;
    await server.context.link.commit([]);
    expect(server.context.fleet.view.published.state.timestamp.version).toBe(before);
    expect(await signedHead(server)).toEqual(signed);
  });

  it('holds up no commit while the database is away', async () => {
    await using server = await setup();
    const id = await startCommitted(server);
    const signed = await signedHead(server);
    await server.post(`${ROLLOUTS}/${id}/pause`, REASON);
    server.outages.state.isAway = true;
    await expect(server.context.commitPending()).rejects.toMatchObject({
      code: 'state/unavailable',
    });
    expect(await server.committed()).toMatchObject([{ state: 'paused' }]);
    expect(await signedHead(server)).toEqual(signed);
    server.outages.state.isAway = false;
    await server.context.commitPending();
    expect((await logOf(server)).at(-1)).toMatchObject({ verb: 'pause', event: 'committed' });
  });

  it('goes on, and no verb is found again, when the log forgot all that was signed', async () => {
    await using server = await setup();
    await server.post('/api/v1/rollouts', START);
    await server.context.commitPending();
    const signed = await signedHead(server);
    const before = new Date(NOW.getTime() + 1000);
    const upTo = signed?.sequence ?? 0;
    await server.state.forgetAudit({ before, upTo, limit: 10, at: before });
    await server.context.commitPending();
    const restarted = await server.restart();
    await restarted.trail.flush();
    const events = (await server.state.auditEntries({ after: 0, limit: 10 })).map(
      ({ event }) => event,
    );
    expect(events).toEqual(['committed', 'forgotten']);
    expect(await restarted.trail.headToSign()).toMatchObject({ sequence: 3 });
  });

  it('is what the log of an empty database goes on from, with the loss in plain sight', async () => {
    await using server = await setup();
    const id = await startCommitted(server);
    await server.post(`${ROLLOUTS}/${id}/pause`, REASON);
    await server.context.commitPending();
    const signed = await signedHead(server);
    if (signed === null) throw new Error('the server signs a head');
    await using other = await setup({ storage: server.storage });
    const rebuilt = await logOf(other);
    expect(rebuilt[0]).toMatchObject({ sequence: 4, previousHash: signed.hash, event: 'found' });
    expect(verifyChain(rebuilt)).toMatchObject({ sequence: 1, fault: 'removed' });
    expect(verifyChain(rebuilt, { from: signed }).kind).toBe('intact');
    await other.post(`${ROLLOUTS}/${id}/resume`);
    await other.context.commitPending();
    expect((await signedHead(server))?.sequence).toBeGreaterThan(4);
  });
});

describe('GET /api/v1/audit', () => {
  it('shows the log page by page, its head, and the head that is signed', async () => {
    await using server = await setup();
    expect((await server.get(AUDIT)).body).toEqual({ entries: [], head: null, signed: null });
    const id = await startCommitted(server);
    await server.post(`${ROLLOUTS}/${id}/pause`, REASON);
    const log = await logOf(server);
    const heads = log.map(({ sequence, hash }) => ({ sequence, hash }));
    const { body } = await server.get(AUDIT);
    expect(auditPageSchema.parse(body)).toEqual({ entries: log, head: heads[2], signed: heads[0] });
    const second = await server.get(`${AUDIT}?after=1&limit=1`);
    expect(second.body.entries).toEqual([log[1]]);
    expect((await server.get(`${AUDIT}?after=3`)).body.entries).toEqual([]);
  });

  it.each([
    'after=-1',
    'after=x',
    'limit=0',
    'limit=501',
    'limit=1.5',
    'after=1&after=2',
    'from=1',
  ])('refuses the query %s', async (query) => {
    await using server = await setup();
    const answer = await server.get(`${AUDIT}?${query}`);
    expect([answer.status, answer.body.code]).toEqual([400, 'request/invalid']);
  });

  it('says that the database is away', async () => {
    await using server = await setup();
    server.outages.state.isAway = true;
    const answer = await server.get(AUDIT);
    expect([answer.status, answer.body.code]).toEqual([503, 'state/unavailable']);
  });

  it('takes no other method', async () => {
    await using server = await setup();
    expect((await server.post(AUDIT)).status).toBe(405);
  });
});
