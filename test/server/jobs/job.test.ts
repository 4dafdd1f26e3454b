import { describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { ExpectedError } from '../../../core/errors.ts';
import { Job, retryDelayMs } from '../../../server/jobs/job.ts';

/** A job whose runs end when the test says so, and whose timers go off when the test says so. */
function setup() {
  const logged: { level: number; msg: string }[] = [];
  const failed: string[] = [];
  const recovered: string[] = [];
  const timers: { callback: () => void; ms: number; isOff: boolean }[] = [];
  const runs: PromiseWithResolvers<void>[] = [];
  const job = new Job({
    name: 'test',
    everyMs: 1000,
    run: () => {
      const run = Promise.withResolvers<void>();
      runs.push(run);
      return run.promise;
    },
    log: pino({ level: 'debug' }, { write: (line) => logged.push(JSON.parse(line)) }),
    onFailure: (name) => failed.push(name),
    onRecovery: (name) => recovered.push(name),
    startTimer: (callback, ms) => {
      const timer = { callback, ms, isOff: false };
      timers.push(timer);
      return () => {
        timer.isOff = true;
      };
    },
  });
  const settle = async () => {
    for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
  };
  return { job, logged, failed, recovered, timers, runs, settle };
}

describe('Job', () => {
  it('runs at the start, and again some time after each end', async () => {
    const { job, timers, runs, settle } = setup();
    job.start();
    expect([runs.length, timers.length]).toEqual([1, 0]);
    runs[0]?.resolve();
    await settle();
    expect(timers.map(({ ms }) => ms)).toEqual([1000]);
    timers[0]?.callback();
    expect(runs).toHaveLength(2);
  });

  it('never runs twice at the same time, and once more if it was woken meanwhile', async () => {
    const { job, timers, runs, settle } = setup();
    job.start();
    job.wake();
    job.wake();
    expect(runs).toHaveLength(1);
    runs[0]?.resolve();
    await settle();
    expect([runs.length, timers.length]).toEqual([2, 0]);
    runs[1]?.resolve();
    await settle();
    expect([runs.length, timers.length]).toEqual([2, 1]);
  });

  it('calls its timer off when it is woken before', async () => {
    const { job, timers, runs, settle } = setup();
    job.start();
    runs[0]?.resolve();
    await settle();
    job.wake();
    expect([runs.length, timers[0]?.isOff]).toEqual([2, true]);
  });

  it('tries again soon after a failure, later after each further one, and says so', async () => {
    const { job, timers, runs, settle, logged, failed, recovered } = setup();
    job.start();
    for (let count = 0; count < 3; count += 1) {
      runs[count]?.reject(new ExpectedError('test/away', 'away'));
      await settle();
      timers[count]?.callback();
    }
    runs[3]?.resolve();
    await settle();
    expect(timers.map(({ ms }) => ms)).toEqual([250, 500, 1000, 1000]);
    expect(failed).toEqual(['test', 'test', 'test']);
    expect(recovered).toEqual(['test']);
    expect(logged.map(({ level, msg }) => [level, msg])).toEqual([
      [40, 'job failed'],
      [40, 'job failed'],
      [40, 'job failed'],
      [30, 'job works again'],
    ]);
  });

  it('logs what nobody foresaw as an error', async () => {
    const { job, runs, settle, logged } = setup();
    job.start();
    runs[0]?.reject(new TypeError('bug'));
    await settle();
    expect(logged.map(({ level }) => level)).toEqual([50]);
  });

  it('stops after the run under way, and can be woken no more', async () => {
    const { job, timers, runs } = setup();
    job.start();
    job.wake();
    let isStopped = false;
    const stopped = job.stop().then(() => {
      isStopped = true;
    });
    await Promise.resolve();
    expect(isStopped).toBe(false);
    runs[0]?.resolve();
    await stopped;
    job.wake();
    expect([runs.length, timers.length]).toEqual([1, 0]);
  });

  it('does nothing when it is woken before the start', () => {
    const { job, runs } = setup();
    job.wake();
    expect(runs).toEqual([]);
  });
});

describe('retryDelayMs', () => {
  it('doubles up to a limit', () => {
    expect([1, 2, 3, 6, 7, 100].map(retryDelayMs)).toEqual([250, 500, 1000, 8000, 15000, 15000]);
  });
});
