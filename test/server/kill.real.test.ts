import { describe, expect, it, jest } from '@jest/globals';
import { pino } from 'pino';
import { aloneReplicas } from '../../adapters/state/replicas.ts';
import { openState } from '../../adapters/state/open.ts';
import { openStorage } from '../../adapters/storage/open.ts';
import { verifyChain } from '../../core/audit.ts';
import { firstOperator } from '../../core/operators.ts';
import { DEFAULT_EXPIRY_POLICY } from '../../core/tuf/lifetimes.ts';
import { openContext } from '../../server/context.ts';
import { exampleSigner } from '../support/example-keys.ts';
import { openPatient, RELEASES } from '../support/example-repository.ts';
import { serverFolder, startServer } from './running-server.ts';
import type { ServerFolder } from './running-server.ts';
import { checkInOf, committedRollouts, NOW, reportOf, START, TOKEN } from './setup.ts';

const REQUEST = { ...START, requestId: 'the-one-request' };

/** What the next server finds: it starts, finishes the outbox, and is asked what the world looks like now. */
async function restarted({ path }: ServerFolder) {
  const resources = new AsyncDisposableStack();
  const storage = resources.use(
    await openStorage('file:R', { access: 'write', cwd: path, env: {} }),
  );
  const state = resources.use(await openState('sqlite:S/state.db', { cwd: path }));
  const before = await committedRollouts(storage);
  const context = await openContext({
    storage,
    state,
    replicas: aloneReplicas(),
    signers: [await exampleSigner('online')],
    operators: [firstOperator(TOKEN)],
    pace: { minMs: 1000, maxMs: 1000 },
    followMs: 5000,
    leaseMs: 3_600_000,
    keep: { hostsMs: null, reportsMs: null, auditMs: null },
    expiry: DEFAULT_EXPIRY_POLICY,
    log: pino({ level: 'silent' }),
    now: () => NOW,
    clock: { doubt: () => null },
    random: () => 0,
    startTimer: () => () => {},
  });
  return {
    before,
    context,
    state,
    committed: () => committedRollouts(storage),
    [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
  };
}

jest.setTimeout(30_000);

describe('a server killed while it carries out a verb', () => {
  it('loses nothing that it acknowledged when it dies before the verb is durable', async () => {
    await using folder = await serverFolder();
    await using server = await startServer(folder, 'enqueueVerb-before');
    await expect(server.post('/api/v1/rollouts', REQUEST)).rejects.toBeDefined();
    expect(await server.exit).toMatchObject({ signal: 'SIGKILL' });
    await using next = await restarted(folder);
    expect(next.context.fleet.view.rollouts).toEqual([]);
    expect(await next.state.pendingVerbs()).toEqual([]);
  });

  // In the order of the steps; the puts are the manifest, its role, the snapshot and the timestamp.
  it.each([
    { point: 'enqueueVerb-after', isCommitted: false },
    { point: 'put1-before', isCommitted: false },
    { point: 'put2-before', isCommitted: false },
    { point: 'put3-before', isCommitted: false },
    { point: 'put4-before', isCommitted: false },
    { point: 'put4-after', isCommitted: true },
    { point: 'finishVerb-before', isCommitted: true },
    { point: 'finishVerb-after', isCommitted: true },
  ])('finishes it exactly once after $point', async ({ point, isCommitted }) => {
    await using folder = await serverFolder();
    await using server = await startServer(folder, point);
    const answer = server.post('/api/v1/rollouts', REQUEST).catch(() => null);
    expect(await server.exit).toMatchObject({ signal: 'SIGKILL' });
    await answer;
    await using next = await restarted(folder);
    expect(next.before).toHaveLength(isCommitted ? 1 : 0);
    // In force at once, before anything is committed.
    expect(next.context.fleet.view.rollouts).toMatchObject([{ state: 'running' }]);
    await next.context.commitPending();
    const finished = await next.committed();
    expect(finished.map(({ history }) => history.map(({ id }) => id))).toEqual([
      [REQUEST.requestId],
    ]);
    expect((await next.state.findVerb(REQUEST.requestId))?.status.kind).toBe('committed');
    const { version } = next.context.fleet.view.published.state.timestamp;
    await next.context.commitPending();
    await next.context.link.follow();
    expect(next.context.fleet.view.published.state.timestamp.version).toBe(version);
    await next.context.trail.flush();
    const log = await next.state.auditEntries({ after: 0, limit: 10 });
    expect(log.map(({ event }) => event)).toEqual(['accepted', 'committed']);
    expect(verifyChain(log).kind).toBe('intact');
    // Whoever got no answer asks again, and is told of the same rollout.
    const order = {
      ...START,
      kind: 'start',
      policy: null,
      startAt: null,
      seeds: 'stable',
    } as const;
    const again = await next.context.intake.accept({
      ...order,
      requestId: REQUEST.requestId,
      by: 'operator',
      reason: null,
    });
    expect(again.id).toBe(finished[0]?.id);
  });
});

describe('a server killed while many hosts report', () => {
  it('has every report that it acknowledged', async () => {
    await using folder = await serverFolder();
    await using server = await startServer(folder, 'never');
    const acknowledged: { readonly hostId: string; readonly report: string }[] = [];
    const hosts = Array.from({ length: 24 }, async (_, host) => {
      for (let sent = 0; ; sent += 1) {
        const [hostId, report] = [`host-${host}`, `report-${sent}`];
        const body = { ...checkInOf({ id: hostId }), reports: [reportOf({ id: report })] };
        const answer = await server.post('/api/v1/check-in', body).catch(() => null);
        if (answer === null) return;
        expect(answer.status).toBe(200);
        acknowledged.push({ hostId, report });
        // In the middle of the others' commits.
        if (acknowledged.length === 500) server.kill();
      }
    });
    await Promise.all(hosts);
    expect(acknowledged.length).toBeGreaterThanOrEqual(500);
    await using next = await restarted(folder);
    for (const { hostId, report } of acknowledged) {
      const again = { ...reportOf({ id: report }), at: NOW, outcome: 'failed' } as const;
      expect(await next.state.recordReports(hostId, [again], NOW)).toBe(0);
    }
  });
});

describe('a server killed while it commits for a publisher', () => {
  // The puts are the role file (there already), the snapshot and the timestamp.
  it.each([
    { point: 'early1-before', isCommitted: false },
    { point: 'early2-before', isCommitted: false },
    { point: 'early2-after', isCommitted: false },
    { point: 'early3-before', isCommitted: false },
    { point: 'early3-after', isCommitted: true },
  ])('finishes the same request, once, after $point', async ({ point, isCommitted }) => {
    await using folder = await serverFolder();
    const options = { access: 'write', cwd: folder.path, env: {} } as const;
    await using storage = await openStorage('file:R', options);
    const name = 'aws-k8s-1.32-x86_64-1.2.0-root';
    const order = await openPatient(storage).storeRole({
      role: RELEASES,
      edit: { addFiles: [{ name, bytes: Buffer.from('image') }] },
      signers: [await exampleSigner('release')],
    });
    if (order === null) throw new Error('the edit changes nothing');
    const before = await openPatient(storage).load();
    await using server = await startServer(folder, point);
    const answer = server.post('/api/v1/repository/commit', order).catch(() => null);
    expect(await server.exit).toMatchObject({ signal: 'SIGKILL' });
    await answer;
    await using next = await restarted(folder);
    const { changed, timestamp } = await next.context.link.commitRole(order);
    expect([changed, timestamp]).toEqual([!isCommitted, before.timestamp.version + 1]);
    expect(await next.context.link.commitRole(order)).toMatchObject({ changed: false, timestamp });
    const { delegated } = await openPatient(storage).load();
    expect(delegated.get(RELEASES)?.targets).toHaveProperty([name]);
  });
});

describe('SIGTERM', () => {
  it('ends the process with 0, with all that it took on in the repository', async () => {
    await using folder = await serverFolder();
    await using server = await startServer(folder, 'never');
    expect((await server.post('/api/v1/rollouts', REQUEST)).status).toBe(201);
    server.terminate();
    expect(await server.exit).toEqual({ code: 0, signal: null });
    await using next = await restarted(folder);
    expect(next.before).toHaveLength(1);
    expect(await next.state.pendingVerbs()).toEqual([]);
  });
});
