import { createServer } from 'node:http';
import { once } from 'node:events';
import { createHash, randomUUID } from 'node:crypto';
import { pino } from 'pino';
import request from 'supertest';
import { openRepository } from '../../adapters/repository/repository.ts';
import type { Repository } from '../../adapters/repository/repository.ts';
import { commitVerbs, readRollouts } from '../../adapters/repository/rollouts.ts';
import { aloneReplicas } from '../../adapters/state/replicas.ts';
import { openState } from '../../adapters/state/open.ts';
import { createMemoryStorage } from '../../adapters/storage/memory.ts';
import type { Storage } from '../../adapters/storage/storage.ts';
import { firstOperator } from '../../core/operators.ts';
import { formatRelease } from '../../core/release.ts';
import type { Rollout } from '../../core/rollout.ts';
import { DEFAULT_EXPIRY_POLICY } from '../../core/tuf/lifetimes.ts';
import { createApp } from '../../server/app.ts';
import { openContext } from '../../server/context.ts';
import type { Context, ContextParts } from '../../server/context.ts';
import { exampleRepository, NOW, PLATFORM, RELEASES } from '../support/example-repository.ts';
import type { ExampleSigners } from '../support/example-repository.ts';
import { compareAnswer } from '../support/documented-answers.ts';
import { breakable } from './breakable.ts';

export { NOW, PLATFORM };

export const TOKEN = 'a'.repeat(43);

/** Publishes releases as `publish` does, with images of a few bytes. */
export async function publishReleases(
  repository: Repository,
  signers: ExampleSigners,
  releases: readonly {
    readonly version: string;
    readonly rollbackTo: readonly string[];
    readonly minimumFrom?: string | null;
  }[],
): Promise<void> {
  const files = releases.flatMap(({ version, rollbackTo, minimumFrom = null }) => {
    const prefix = `${PLATFORM.variant}-${PLATFORM.arch}-${version}`;
    const images = ['boot', 'root', 'hash'].map((image) => ({
      image,
      name: `${prefix}-${image}`,
      bytes: Buffer.from(`${image} of ${version}`),
    }));
    const document = formatRelease({
      schema: 'tidegate.release/1',
      ...PLATFORM,
      version,
      images: Object.fromEntries(
        images.map(({ image, name, bytes }) => [
          image,
          { target: name, format: 'raw', size: bytes.length, sha256: sha256Of(bytes) },
        ]),
      ),
      verity: null,
      minimumFrom,
      rollbackTo,
      migrations: [],
      notes: null,
      createdAt: '2039-12-31T00:00:00Z',
    });
    return [...images, { name: `${prefix}-release.json`, bytes: document }];
  });
  const addFiles = files.map(({ name, bytes }) => ({ name, bytes }));
  await repository.commit({
    signers: [signers.release, signers.online],
    edit: () => ({ roles: new Map([[RELEASES, { addFiles }]]) }),
  });
}

/** A repository with releases 1.0.0 and 1.1.0 (which may go back to it) and a manifest without rollouts. */
export async function publishedRepository(storage: Storage): Promise<ExampleSigners> {
  const { repository, signers } = await exampleRepository(storage);
  await publishReleases(repository, signers, [
    { version: '1.0.0', rollbackTo: [] },
    { version: '1.1.0', rollbackTo: ['1.0.0'] },
  ]);
  await commitVerbs(repository, { signers: [signers.online], verbs: [], now: NOW });
  return signers;
}

/** A server alone on its database that logs nothing, waits for nothing and runs no job by itself. */
export function partsOf({
  signers,
  clock,
  ...places
}: Pick<ContextParts, 'storage' | 'state'> & {
  readonly signers: Pick<ExampleSigners, 'online'>;
  readonly clock: { readonly now: Date };
}): ContextParts {
  return {
    ...places,
    replicas: aloneReplicas(),
    signers: [signers.online],
    operators: [firstOperator(TOKEN)],
    pace: { minMs: 60_000, maxMs: 900_000 },
    followMs: 5000,
    leaseMs: 3_600_000,
    keep: { hostsMs: null, reportsMs: null, auditMs: null },
    expiry: DEFAULT_EXPIRY_POLICY,
    log: pino({ level: 'silent' }),
    now: () => clock.now,
    clock: { doubt: () => null },
    random: () => 0.5,
    sleep: async () => {},
    startTimer: () => () => {},
  };
}

/** A server over a repository in memory and a real database, on loopback; no job runs by itself. */
export async function setup(change: Partial<ContextParts> = {}) {
  const resources = new AsyncDisposableStack();
  const { resource: storage, outage: storageOutage } = breakable(createMemoryStorage());
  const signers = await publishedRepository(storage);
  const opened = resources.use(await openState('sqlite::memory:', { cwd: '/nowhere' }));
  const { resource: state, outage: stateOutage } = breakable(opened);
  const clock = { now: NOW };
  const logged: unknown[] = [];
  const parts: ContextParts = {
    ...partsOf({ storage, state, signers, clock }),
    log: pino({ level: 'debug' }, { write: (line) => logged.push(JSON.parse(line)) }),
    ...change,
  };
  const context = await openContext(parts);
  const url = await serveApp(context, resources);
  const agent = request.agent(url).use(compareAnswer);
  const order = (method: 'post' | 'put', path: string, body: object) =>
    agent[method](path)
      .set('authorization', `Bearer ${TOKEN}`)
      .send({ requestId: randomUUID(), ...body });
  return {
    context,
    storage,
    state,
    outages: { storage: storageOutage, state: stateOutage },
    signers,
    clock,
    logged,
    url,
    agent,
    /** What anybody else finds in the repository. */
    committed: () => committedRollouts(storage),
    checkIn: (host: object = {}, more: object = {}) =>
      agent.post('/api/v1/check-in').send({ ...checkInOf(host), ...more }),
    get: (path: string) => agent.get(path).set('authorization', `Bearer ${TOKEN}`),
    post: (path: string, body: object = {}) => order('post', path, body),
    put: (path: string, body: object = {}) => order('put', path, body),
    /** The server that starts when this one is gone: another memory, the same repository and database. */
    restart: (otherwise: Partial<ContextParts> = {}) => openContext({ ...parts, ...otherwise }),
    async [Symbol.asyncDispose]() {
      await resources[Symbol.asyncDispose]();
    },
  };
}

export async function committedRollouts(storage: Storage): Promise<readonly Rollout[]> {
  const repository = openRepository({ storage, now: () => NOW });
  return readRollouts(repository, await repository.load());
}

export const START = { ...PLATFORM, version: '1.1.0' };

/** Half of the fleet at once, the other half after a day. */
export const HALF_AT_ONCE = `
[[waves]]
start_after = '1 second'
fleet_percentage = 50
[[waves]]
start_after = '1 day'
fleet_percentage = 100
`;

export function checkInOf(host: object) {
  return { host: { id: 'host-1', ...PLATFORM, version: '1.0.0', seed: 7, ...host }, state: 'idle' };
}

export function reportOf(change: object = {}) {
  return {
    id: 'report-1',
    rolloutId: 'rollout-1',
    from: '1.0.0',
    to: '1.1.0',
    outcome: 'failed',
    stage: 'verify',
    error: 'hash differs',
    at: '2040-01-01T00:00:00Z',
    ...change,
  };
}

/** Serves the context on loopback until the resources are disposed of; resolves to the URL. */
export async function serveApp(context: Context, resources: AsyncDisposableStack): Promise<string> {
  const server = createServer(createApp(context));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  resources.defer(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
}

function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
