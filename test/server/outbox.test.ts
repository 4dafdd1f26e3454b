import { describe, expect, it } from '@jest/globals';
import { publishedReleases } from '../../adapters/repository/repository.ts';
import { commitVerbs } from '../../adapters/repository/rollouts.ts';
import { createMemoryStorage } from '../../adapters/storage/memory.ts';
import { parseExpiryPolicy } from '../../core/tuf/expiry-policy-file.ts';
import { roleExpiries } from '../../core/tuf/repository-metadata.ts';
import { DAY_MS } from '../support/rollouts.ts';
import { exampleRepository, openPatient } from '../support/example-repository.ts';
import { HALF_AT_ONCE, NOW, publishReleases, setup, START } from './setup.ts';

const ROLLOUTS = '/api/v1/rollouts';
const REASON = { reason: 'a closer look' };

type Server = Awaited<ReturnType<typeof setup>>;

/** A person commits a verb with the command line, past the server. */
async function commitElsewhere(server: Server, kind: 'pause' | 'withdraw', rolloutId: string) {
  const verb = { id: `cli-${kind}`, kind, rolloutId, at: NOW, by: 'cli', reason: 'test' } as const;
  return commitVerbs(openPatient(server.storage), {
    signers: [server.signers.online],
    verbs: [verb],
    now: NOW,
  });
}

describe('a verb', () => {
  it('is durable, then in force, then committed', async () => {
    await using server = await setup();
    const { body } = await server.post(ROLLOUTS, START);
    expect(await server.state.pendingVerbs()).toHaveLength(1);
    expect((await server.checkIn()).body.decision).toBe('update');
    expect(await server.committed()).toEqual([]);
    await server.context.commitPending();
    expect(await server.committed()).toMatchObject([{ id: body.id, state: 'running' }]);
    expect(await server.state.pendingVerbs()).toEqual([]);
    expect(server.context.fleet.view.pending).toEqual([]);
    expect((await server.checkIn()).body.decision).toBe('update');
  });

  it('is not in force when it could not be made durable', async () => {
    await using server = await setup();
    server.outages.state.isAway = true;
    const answer = await server.post(ROLLOUTS, START);
    expect([answer.status, answer.body.code]).toEqual([503, 'state/unavailable']);
    expect((await server.checkIn()).body.reason).toBe('up-to-date');
  });

  it('waits in the outbox while the storage is away, in force and in order', async () => {
    await using server = await setup();
    const { body } = await server.post(ROLLOUTS, START);
    server.outages.storage.isAway = true;
    await server.post(`${ROLLOUTS}/${body.id}/pause`, REASON);
    await expect(server.context.commitPending()).rejects.toMatchObject({
      code: 'storage/unavailable',
    });
    expect((await server.checkIn()).body.reason).toBe('paused');
    expect(await server.state.pendingVerbs()).toHaveLength(2);
    server.outages.storage.isAway = false;
    await server.context.commitPending();
    const [rollout] = await server.committed();
    expect(rollout?.history.map(({ verb }) => verb)).toEqual(['start', 'pause']);
  });

  it('lands although somebody else commits at the same time', async () => {
    await using server = await setup();
    const { body } = await server.post(ROLLOUTS, START);
    const publisher = openPatient(server.storage);
    await Promise.all([
      server.context.commitPending(),
      publishReleases(publisher, server.signers, [{ version: '1.2.0', rollbackTo: [] }]),
    ]);
    expect(await server.committed()).toMatchObject([{ id: body.id }]);
    const releases = publishedReleases(await publisher.load());
    expect(releases.map(({ version }) => version)).toContain('1.2.0');
  });

  it('is rejected, and said so, when somebody else made it illegal first', async () => {
    await using server = await setup();
    const { body } = await server.post(ROLLOUTS, START);
    await server.context.commitPending();
    const requestId = 'pause-me-please';
    await server.post(`${ROLLOUTS}/${body.id}/pause`, { ...REASON, requestId });
    await commitElsewhere(server, 'withdraw', body.id);
    await server.context.commitPending();
    expect((await server.state.findVerb(requestId))?.status.kind).toBe('rejected');
    expect(await server.committed()).toMatchObject([{ state: 'withdrawn' }]);
    expect((await server.checkIn()).body.reason).toBe('up-to-date');
    const again = await server.post(`${ROLLOUTS}/${body.id}/pause`, { ...REASON, requestId });
    expect([again.status, again.body.code]).toEqual([409, 'request/rejected']);
    expect(server.logged).toContainEqual(expect.objectContaining({ msg: 'verb rejected' }));
  });

  it('is finished by the next server when this one is gone', async () => {
    await using server = await setup();
    const { body } = await server.post(ROLLOUTS, START);
    const next = await server.restart();
    expect(next.fleet.view.rollouts).toMatchObject([{ id: body.id }]);
    await next.commitPending();
    expect(await server.committed()).toMatchObject([{ id: body.id }]);
    // The first one was not dead after all, and commits too.
    await server.context.commitPending();
    const [rollout] = await server.committed();
    expect(rollout?.history).toHaveLength(1);
  });
});

describe('following the repository', () => {
  it('takes over what the command line committed', async () => {
    await using server = await setup();
    const { body } = await server.post(ROLLOUTS, START);
    await server.context.commitPending();
    await commitElsewhere(server, 'pause', body.id);
    expect((await server.checkIn()).body.decision).toBe('update');
    expect(await server.context.link.follow()).toBe(true);
    expect((await server.checkIn()).body.reason).toBe('paused');
    expect(await server.context.link.follow()).toBe(false);
  });

  it('does so at once when it is told', async () => {
    await using server = await setup();
    const { body } = await server.post(ROLLOUTS, START);
    await server.context.commitPending();
    await commitElsewhere(server, 'pause', body.id);
    const told = await server.post('/api/v1/repository/refresh');
    expect([told.status, told.body.changed]).toEqual([200, true]);
    expect((await server.checkIn()).body.reason).toBe('paused');
  });

  it('keeps verbs that are not committed yet in force', async () => {
    await using server = await setup();
    await server.post(ROLLOUTS, START);
    await publishReleases(openPatient(server.storage), server.signers, [
      { version: '1.2.0', rollbackTo: [] },
    ]);
    await server.context.link.follow();
    expect((await server.checkIn()).body.release).toMatchObject({ version: '1.1.0' });
  });

  it('looks again before it says that a release is not published', async () => {
    await using server = await setup();
    await publishReleases(openPatient(server.storage), server.signers, [
      { version: '1.2.0', rollbackTo: [] },
    ]);
    expect((await server.post(ROLLOUTS, { ...START, version: '1.2.0' })).status).toBe(201);
  });

  it('answers polls from memory while the storage is away, and says that it is', async () => {
    await using server = await setup();
    await server.post(ROLLOUTS, START);
    server.outages.storage.isAway = true;
    const told = await server.post('/api/v1/repository/refresh');
    expect([told.status, told.body.code]).toEqual([503, 'storage/unavailable']);
    expect((await server.checkIn()).body.decision).toBe('update');
    const ready = await server.agent.get('/readyz');
    expect(ready.status).toBe(503);
    expect(ready.body.checks).toMatchObject({
      storage: { ok: false },
      database: { ok: true },
      timestamp: { ok: true },
    });
    server.outages.storage.isAway = false;
    await server.context.link.follow();
    expect((await server.agent.get('/readyz')).status).toBe(200);
  });
});

describe('the listing', () => {
  const updates = async (server: Server) => {
    const repository = openPatient(server.storage);
    const bytes = await repository.readTarget(await repository.load(), 'manifest.json');
    return JSON.parse(new TextDecoder().decode(bytes)).updates;
  };

  it('commits a scheduled release for Bottlerocket hosts when its time has come, and only then', async () => {
    await using server = await setup();
    await server.post(ROLLOUTS, {
      ...START,
      policy: HALF_AT_ONCE,
      startAt: '2040-01-01T06:00:00Z',
    });
    await server.context.commitPending();
    await server.context.listing.tick();
    const before = (await openPatient(server.storage).load()).timestamp.version;
    server.clock.now = new Date('2040-01-01T05:59:00Z');
    await server.context.listing.tick();
    expect((await openPatient(server.storage).load()).timestamp.version).toBe(before);
    expect(await updates(server)).toEqual([]);
    server.clock.now = new Date('2040-01-01T06:00:02Z');
    await server.context.listing.tick();
    expect(await updates(server)).toMatchObject([{ version: '1.1.0' }]);
    await server.context.listing.tick();
    expect((await openPatient(server.storage).load()).timestamp.version).toBe(before + 1);
  });

  const renewed = async (server: Server, days: number) => {
    const before = versionsOf(await openPatient(server.storage).load());
    server.clock.now = new Date(NOW.getTime() + days * DAY_MS);
    await server.context.listing.tick();
    const after = versionsOf(await openPatient(server.storage).load());
    return Object.keys(after).filter((role) => after[role] !== before[role]);
  };

  const versionsOf = (state: Awaited<ReturnType<ReturnType<typeof openPatient>['load']>>) =>
    Object.fromEntries(roleExpiries(state, NOW).map(({ role, version }) => [role, version]));

  it('signs anew exactly what has less than half of its life left', async () => {
    await using server = await setup();
    await server.context.listing.tick();
    expect(await renewed(server, 3)).toEqual([]);
    expect(await renewed(server, 4)).toEqual(['timestamp']);
    const { timestamp } = await openPatient(server.storage).load();
    expect(timestamp.expires).toBe('2040-01-12T00:00:00Z');
    expect(await renewed(server, 4)).toEqual([]);
    expect(await renewed(server, 16)).toEqual(['rollouts', 'snapshot', 'timestamp']);
    expect(await renewed(server, 16)).toEqual([]);
  });

  it('signs anew when the expiry policy says so, for as long as it says', async () => {
    const expiry = parseExpiryPolicy(
      "snapshot_expiration = '60 days'\nsnapshot_renewal = '45 days'\n",
    );
    await using server = await setup({ expiry });
    // The 30 days that the repository was made with are less than 45.
    expect(await renewed(server, 1)).toEqual(['snapshot', 'timestamp']);
    const { snapshot } = await openPatient(server.storage).load();
    expect(snapshot.expires).toBe('2040-03-02T00:00:00Z');
    expect(await renewed(server, 1)).toEqual([]);
  });

  it('leaves roles of people alone, although its key could sign them', async () => {
    const storage = createMemoryStorage();
    const { signers } = await exampleRepository(storage, (options, { online }) => ({
      releases: options.releases.map((role) => ({ ...role, keys: [online.key] })),
    }));
    await using server = await setup({ storage, signers: [signers.online] });
    expect(await renewed({ ...server, storage }, 360)).toEqual([
      'rollouts',
      'snapshot',
      'timestamp',
    ]);
  });
});

describe('GET /readyz', () => {
  it('is ready when all is well', async () => {
    await using server = await setup();
    expect((await server.agent.get('/readyz')).body).toMatchObject({ ready: true });
    expect((await server.agent.get('/healthz')).body).toEqual({ status: 'ok' });
  });

  it('says that the database is away, and polls go on', async () => {
    await using server = await setup();
    server.outages.state.isAway = true;
    const ready = await server.agent.get('/readyz');
    expect([ready.status, ready.body.checks.database.ok]).toEqual([503, false]);
    expect((await server.checkIn()).status).toBe(200);
    expect((await server.agent.get('/metrics')).status).toBe(200);
    expect((await server.get(ROLLOUTS)).status).toBe(200);
  });

  it('says that a verb waits too long', async () => {
    await using server = await setup();
    await server.post(ROLLOUTS, START);
    server.clock.now = new Date(NOW.getTime() + 31_000);
    const ready = await server.agent.get('/readyz');
    expect([ready.status, ready.body.checks.outbox.ok]).toEqual([503, false]);
  });

  it('says that the timestamp has expired', async () => {
    await using server = await setup();
    server.clock.now = new Date(NOW.getTime() + 8 * DAY_MS);
    const ready = await server.agent.get('/readyz');
    expect([ready.status, ready.body.checks.timestamp.ok]).toEqual([503, false]);
  });
});

describe('GET /readyz, of roles that only people can renew', () => {
  it('tells them while there is time, and is not ready once one has expired', async () => {
    await using server = await setup();
    const ask = async (days: number) => {
      server.clock.now = new Date(NOW.getTime() + days * DAY_MS);
      await server.context.listing.tick();
      return server.agent.get('/readyz');
    };
    const early = await ask(1);
    expect(early.body.checks.roles).toMatchObject({ ok: true });
    expect(early.body.checks.roles.detail).not.toMatch('root');
    const due = await ask(200);
    expect([due.status, due.body.checks.roles.ok]).toEqual([200, true]);
    expect(due.body.checks.roles.detail).toMatch('root expires 2040-12-31T00:00:00Z, targets');
    const late = await ask(366);
    expect([late.status, late.body.checks.roles.ok]).toEqual([503, false]);
    expect(late.body.checks.timestamp.ok).toBe(true);
  });
});

describe('GET /metrics', () => {
  it('counts polls, reports, verbs, commits, tide and hosts, but no single host', async () => {
    await using server = await setup();
    const { body } = await server.post(ROLLOUTS, START);
    await server.checkIn({ id: 'very-own-host' });
    await server.checkIn({ version: 'none' });
    await server.context.writeBehind.flush();
    await server.context.commitPending();
    const { text } = await server.agent.get('/metrics');
    expect(text).toMatch('tidegate_check_ins_total{decision="update",reason="forward"} 1');
    expect(text).toMatch('{decision="refused",reason="request/invalid"} 1');
    expect(text).toMatch('tidegate_verbs_total{result="committed"} 1');
    expect(text).toMatch('tidegate_commits_total 1');
    expect(text).toMatch('tidegate_outbox_pending 0');
    expect(text).toMatch('tidegate_role_expires_timestamp_seconds{role="root"} 2240524800');
    expect(text).toMatch(
      `tidegate_tide_seeds{variant="aws-k8s-1.32",arch="x86_64",rollout="${body.id}",version="1.1.0"} 2048`,
    );
    expect(text).toMatch('tidegate_hosts{variant="aws-k8s-1.32",arch="x86_64",version="1.0.0"} 1');
    expect(text).toMatch('route="/api/v1/rollouts"');
    expect(text).not.toMatch('very-own-host');
  });
});
