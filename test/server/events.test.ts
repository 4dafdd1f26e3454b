import { describe, expect, it } from '@jest/globals';
import { EventSourceParserStream } from 'eventsource-parser/stream';
import { eventSchemas } from '../../core/server-events.ts';
import type { EventName } from '../../core/server-events.ts';
import { reportOf, setup, START, TOKEN } from './setup.ts';

const EVENTS = '/api/v1/events';
const REASON = { reason: 'a closer look' };

/** Follows the events of a server; `next` waits for the next one and checks it against its schema. */
async function follow(url: string, lastId?: string) {
  const stop = new AbortController();
  const response = await fetch(`${url}${EVENTS}`, {
    headers: {
      authorization: `Bearer ${TOKEN}`,
      ...(lastId === undefined ? {} : { 'last-event-id': lastId }),
    },
    signal: stop.signal,
  });
  const comments: string[] = [];
  const reader = response.body
    ?.pipeThrough(new TextDecoderStream())
    .pipeThrough(new EventSourceParserStream({ onComment: (text) => comments.push(text) }))
    .getReader();
  return {
    response,
    comments,
    async next() {
      const read = await reader?.read();
      if (read?.value === undefined) return null;
      const { event, data, id } = read.value;
      const name = isName(event) ? event : 'reset';
      return { name, id: id ?? '', data: eventSchemas[name].strict().parse(JSON.parse(data)) };
    },
    stop: () => {
      stop.abort();
    },
  };
}

function isName(name: string | undefined): name is EventName {
  return name !== undefined && Object.hasOwn(eventSchemas, name);
}

describe('GET /api/v1/events', () => {
  it('tells of verbs, their commits and reports, as they happen', async () => {
    await using server = await setup();
    const events = await follow(server.url);
    expect(events.response.headers.get('content-type')).toBe('text/event-stream');
    const { body: rollout } = await server.post('/api/v1/rollouts', START);
    expect(await events.next()).toMatchObject({
      name: 'rollout',
      data: { rolloutId: rollout.id, version: '1.1.0', verb: 'start', state: 'running' },
    });
    await server.post(`/api/v1/rollouts/${rollout.id}/pause`, REASON);
    expect(await events.next()).toMatchObject({
      name: 'rollout',
      data: { verb: 'pause', state: 'paused', by: 'operator', ...REASON },
    });
    await server.context.commitPending();
    expect(await events.next()).toMatchObject({ name: 'commit' });
    await server.checkIn({}, { reports: [reportOf({ rolloutId: rollout.id })] });
    expect(await events.next()).toMatchObject({
      name: 'report',
      data: { hostId: 'host-1', outcome: 'failed', error: 'hash differs' },
    });
    events.stop();
  });

  it('tells when jobs fail, and when they work again', async () => {
    const timers: (() => void)[] = [];
    await using server = await setup({
      startTimer: (callback) => {
        timers.push(callback);
        return () => {};
      },
    });
    const events = await follow(server.url);
    const fire = () => {
      timers.splice(0).forEach((callback) => {
        callback();
      });
    };
    const two = async () =>
      [await events.next(), await events.next()].map((event) => JSON.stringify(event?.data));
    server.outages.storage.isAway = true;
    server.context.jobs.start();
    expect((await two()).toSorted()).toEqual([
      '{"job":"follow","works":false}',
      '{"job":"listing","works":false}',
    ]);
    server.outages.storage.isAway = false;
    fire();
    expect((await two()).toSorted()).toEqual([
      '{"job":"follow","works":true}',
      '{"job":"listing","works":true}',
    ]);
    await server.context.jobs.stop();
    events.stop();
  });

  it('goes on where a client was, and resets one that comes from another start', async () => {
    await using server = await setup();
    const first = await follow(server.url);
    const { body: rollout } = await server.post('/api/v1/rollouts', START);
    const started = await first.next();
    first.stop();
    await server.post(`/api/v1/rollouts/${rollout.id}/pause`, REASON);
    const second = await follow(server.url, started?.id);
    expect(await second.next()).toMatchObject({ name: 'rollout', data: { verb: 'pause' } });
    second.stop();
    const stranger = await follow(server.url, 'ffffffff-1');
    expect(await stranger.next()).toMatchObject({ name: 'reset', data: {} });
    stranger.stop();
  });

  it('keeps the connection alive with comments', async () => {
    const timers: (() => void)[] = [];
    await using server = await setup({
      startTimer: (callback) => {
        timers.push(callback);
        return () => {};
      },
    });
    const events = await follow(server.url);
    timers.splice(0).forEach((beat) => {
      beat();
    });
    expect(timers).toHaveLength(1);
    await server.post('/api/v1/rollouts', START);
    expect(await events.next()).toMatchObject({ name: 'rollout' });
    expect(events.comments).toHaveLength(1);
    events.stop();
  });

  it('refuses clients beyond its limit with a problem that says when to come back', async () => {
    await using server = await setup();
    const clients = await Promise.all(Array.from({ length: 100 }, () => follow(server.url)));
    const { status, body, headers } = await server.get(EVENTS);
    expect([status, body.code]).toEqual([503, 'request/events']);
    expect(Number(headers['retry-after'])).toBeGreaterThan(0);
    clients.forEach((client) => {
      client.stop();
    });
  });

  it('ends its clients when the server stops, after the events that it told', async () => {
    await using server = await setup();
    const events = await follow(server.url);
    await server.post('/api/v1/rollouts', START);
    server.context.events.close();
    expect(await events.next()).toMatchObject({ name: 'rollout' });
    expect(await events.next()).toBeNull();
  });

  it('is for operators only', async () => {
    await using server = await setup();
    await server.agent.get(EVENTS).expect(401);
  });
});
