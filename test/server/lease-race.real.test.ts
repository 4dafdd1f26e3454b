import { Agent, request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { z } from 'zod';
import { startPostgres } from '../support/postgres.ts';
import type { Postgres } from '../support/postgres.ts';
import { serverFolder, startServer } from './running-server.ts';
import type { RunningServer } from './running-server.ts';
import { checkInOf, reportOf, START } from './setup.ts';

const POLLS = 100_000;
const CONNECTIONS = 64;
const HOSTS_PER_CONNECTION = 5;
const RACKS = 4;
const GROUP_LIMIT = 7;
const RACK_LIMIT = 3;

const answerSchema = z.object({ decision: z.string(), reason: z.string().optional() });

let postgres: Postgres;

beforeAll(async () => {
  postgres = await startPostgres();
});

afterAll(async () => {
  await postgres[Symbol.asyncDispose]();
});

/** Hosts that were told to update and have not begun to say how it went: what somebody who watches the fleet would count. */
class UnderWay {
  readonly #hosts = new Map<string, string>();
  starts = 0;
  most = 0;
  mostInRack = 0;

  started(id: string, rack: string): void {
    if (!this.#hosts.has(id)) this.starts += 1;
    this.#hosts.set(id, rack);
    this.most = Math.max(this.most, this.#hosts.size);
    const inRack = [...this.#hosts.values()].filter((other) => other === rack).length;
    this.mostInRack = Math.max(this.mostInRack, inRack);
  }

  has(id: string): boolean {
    return this.#hosts.has(id);
  }

  finished(id: string): void {
    this.#hosts.delete(id);
  }
}

/** Limits of 7 in the group and 3 in a rack, and a rollout to everybody. */
async function giveLimits(server: RunningServer): Promise<string> {
  const concurrency = [{ limit: GROUP_LIMIT }, { limit: RACK_LIMIT, per: 'rack' }];
  const rules = { groups: [{ name: 'prod', concurrency }] };
  const put = await server.send('PUT', '/api/v1/fleet', { requestId: 'rules-request', rules });
  expect(put.status).toBe(200);
  const started = await server.post('/api/v1/rollouts', { ...START, requestId: 'start-request' });
  expect(started.status).toBe(201);
  return z.object({ id: z.string() }).parse(await started.json()).id;
}

/** Polls as hosts do, over as many connections, each request to any of the servers. */
async function race(servers: readonly RunningServer[]): Promise<UnderWay> {
  const [server] = servers;
  if (server === undefined) throw new Error('there is no server to poll');
  const rolloutId = await giveLimits(server);
  const underWay = new UnderWay();
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  // Each has heard of the rollout when it lets a host start that no limit bounds.
  const unbounded = checkInOf({ id: 'unbounded', group: 'other' });
  for (const { url } of servers) {
    while ((await send(agent, url, unbounded)).decision !== 'update');
  }
  let polls = 0;
  const connection = async (index: number) => {
    const random = xoroshiro128plus(index);
    const below = (count: number) => uniformInt(random, 0, count - 1);
    for (; polls < POLLS; polls += 1) {
      const number = index * HOSTS_PER_CONNECTION + below(HOSTS_PER_CONNECTION);
      const [id, rack] = [`host-${number}`, `${number % RACKS}`];
      // A host under way polls a few times more, and then says how it went.
      const isFinished = underWay.has(id) && below(2) === 0;
      if (isFinished) underWay.finished(id);
      const reports = isFinished ? [reportOf({ id: `report-${polls}`, rolloutId })] : [];
      const host = checkInOf({ id, group: 'prod', labels: { rack } });
      const url = servers[below(servers.length)]?.url ?? '';
      const { decision, reason } = await send(agent, url, { ...host, reports });
      if (decision === 'update') underWay.started(id, rack);
      else if (reason !== 'concurrency') throw new Error(`unexpected answer ${decision} ${reason}`);
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, (_, index) => connection(index)));
  agent.destroy();
  return underWay;
}

function send(agent: Agent, url: string, body: object): Promise<z.infer<typeof answerSchema>> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json' };
    const sent = request(`${url}/api/v1/check-in`, { agent, method: 'POST', headers });
    sent.once('error', reject);
    sent.once('response', (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => (text += part));
      response.once('error', reject);
      response.once('end', () => {
        resolve(answerSchema.parse(JSON.parse(text)));
      });
    });
    sent.end(JSON.stringify(body));
  });
}

function expectLimits({ starts, most, mostInRack }: UnderWay): void {
  expect(most).toBe(GROUP_LIMIT);
  expect(mostInRack).toBe(RACK_LIMIT);
  // How soon a server knows of what another one freed depends on the time that the polls take.
  expect(starts).toBeGreaterThan(150);
}

describe('of 100,000 racing polls', () => {
  it('no more are let through than the limits allow by four servers on one PostgreSQL database', async () => {
    await using folder = await serverFolder();
    await using resources = new AsyncDisposableStack();
    const options = { state: await postgres.newDatabase(), tokenFile: 'token' };
    const servers: RunningServer[] = [];
    for (let count = 0; count < 4; count += 1) {
      servers.push(resources.use(await startServer(folder, 'never', options)));
    }
    expectLimits(await race(servers));
  });

  it('no more are let through than the limits allow over 64 connections by one server on SQLite', async () => {
    await using folder = await serverFolder();
    await using server = await startServer(folder, 'never');
    expectLimits(await race([server]));
  });
});
