import { EventEmitter } from 'node:events';
import { Socket } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import type { FromWorker } from '../../../agent/daemon/messages.ts';
import { workFor } from '../../../agent/daemon/worker.ts';
import { WorkerProcess } from '../../../agent/daemon/worker-process.ts';
import { provision } from '../../../agent/provision.ts';
import { hostWorld, stay } from '../../support/host-world.ts';

/** A worker of which the test says what it says. */
class FakeChild extends EventEmitter {
  readonly sent: unknown[] = [];
  connected = true;
  send(message: unknown): boolean {
    this.sent.push(message);
    return true;
  }
  disconnect(): void {
    this.connected = false;
  }
  kill(): boolean {
    return true;
  }
  say(message: FromWorker): void {
    this.emit('message', message);
  }
}

const END = { isFailed: false, nextCheckInSeconds: 60, retryAfterSeconds: null, pollMs: 1 };

describe('WorkerProcess', () => {
  it('lets a worker go that has done all that it was asked for', async () => {
    const child = new FakeChild();
    const worker = new WorkerProcess(() => child);
    const cycle = worker.cycle();
    child.say({ kind: 'cycle-ended', end: END });
    await expect(cycle).resolves.toEqual(END);
    child.say({ kind: 'idle', taken: 1 });
    expect(worker.isThere).toBe(false);
    expect(child.connected).toBe(false);
  });

  it('keeps one that said it is idle when there was something on its way to it', () => {
    const child = new FakeChild();
    const worker = new WorkerProcess(() => child);
    void worker.cycle();
    child.say({ kind: 'cycle-ended', end: END });
    void worker.cycle();
    child.say({ kind: 'idle', taken: 1 });
    expect(worker.isThere).toBe(true);
    expect(child.connected).toBe(true);
    child.say({ kind: 'idle', taken: 2 });
    expect(child.connected).toBe(false);
  });

  it.each([
    { how: 'is killed', emit: ['exit', null, 'SIGKILL'], message: 'the worker ended with SIGKILL' },
    { how: 'exits', emit: ['exit', 7, null], message: 'the worker ended with exit code 7' },
    {
      how: 'cannot be started',
      emit: ['error', new Error('EAGAIN')],
      message: 'no worker: EAGAIN',
    },
  ])('rejects what was asked of one that $how', async ({ emit: [event, ...details], message }) => {
    const child = new FakeChild();
    const worker = new WorkerProcess(() => child);
    const cycle = worker.cycle();
    child.emit(String(event), ...details);
    await expect(cycle).rejects.toMatchObject({ code: 'agent/worker', message });
    await expect(worker.ready).rejects.toMatchObject({ code: 'agent/worker' });
    await worker.ended;
    expect(worker.isThere).toBe(false);
  });

  it('is lost from the beginning where no process can be made', async () => {
    const worker = new WorkerProcess(() => {
      throw new Error('spawn ENOMEM');
    });
    expect(worker.isThere).toBe(false);
    const lost = { code: 'agent/worker', message: 'no worker: spawn ENOMEM' };
    await expect(worker.ready).rejects.toMatchObject(lost);
    await expect(worker.cycle()).rejects.toMatchObject(lost);
    const connection = new Socket();
    worker.take(connection);
    expect(connection.destroyed).toBe(true);
    worker.stop();
    await worker.ended;
  });

  it('does not wait for a worker that hears nothing any more', async () => {
    const child = new FakeChild();
    const worker = new WorkerProcess(() => child);
    const connection = new Socket();
    worker.take(connection);
    child.connected = false;
    child.emit('disconnect');
    expect(worker.isThere).toBe(false);
    expect(connection.destroyed).toBe(true);
  });

  it('gives up one that says what nobody understands', async () => {
    const child = new FakeChild();
    const worker = new WorkerProcess(() => child);
    child.emit('message', { kind: 'of another version' });
    await expect(worker.cycle()).rejects.toMatchObject({ code: 'agent/worker' });
  });

  it('tells what a worker says of why it cannot work', async () => {
    const child = new FakeChild();
    const worker = new WorkerProcess(() => child);
    child.say({ kind: 'refused', code: 'agent/config', message: 'no such key', hints: ['look'] });
    await expect(worker.ready).rejects.toMatchObject({
      ...{ code: 'agent/config', message: 'no such key', hints: ['look'] },
    });
  });
});

describe('workFor', () => {
  it('is idle when everything has ended that it took, and ends when it is told to', async () => {
    await using world = await hostWorld();
    await provision(await world.agent(), '1.0.0');
    world.answer = () => stay('up-to-date');
    const stop = new AbortController();
    const said: FromWorker[] = [];
    const idle = Promise.withResolvers<void>();
    let tell: (message: unknown) => void = () => {};
    const working = workFor(
      {
        send: (message) => {
          said.push(message);
          if (message.kind === 'idle') idle.resolve();
        },
        onMessage: (listener) => {
          tell = (message) => {
            listener(message, undefined);
          };
        },
      },
      await world.agent(),
      { signal: stop.signal, lingerMs: 0 },
    );
    tell({ kind: 'cycle' });
    // Its caller hung up on the way.
    tell({ kind: 'connection' });
    await idle.promise;
    const { stateFolder } = (await world.agent()).config;
    expect(said).toEqual([
      { kind: 'ready', stateFolder, api: null },
      { kind: 'connected' },
      { kind: 'cycle-ended', end: { ...END, pollMs: expect.any(Number) } },
      { kind: 'idle', taken: 2 },
    ]);
    stop.abort();
    await working;
    tell({ kind: 'cycle' });
    expect(world.checkIns).toHaveLength(1);
  });
});
