import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { ReportQueue } from '../../agent/reports.ts';
import type { Report } from '../../core/check-in.ts';

const folder = () => mkdtemp(join(tmpdir(), 'tidegate-reports-'));

function report(id: string): Report {
  return {
    ...{ id, rolloutId: 'rollout-1', from: '1.0.0', to: '1.1.0' },
    ...{ outcome: 'updated', stage: 'confirm', at: '2040-01-01T00:00:00Z' },
  };
}

const idsOf = (reports: readonly Report[]) => reports.map(({ id }) => id);

describe('ReportQueue', () => {
  it('keeps reports over restarts until they are acknowledged', async () => {
    const at = await folder();
    await new ReportQueue(at).add(report('one'));
    await new ReportQueue(at).add(report('two'));
    expect(idsOf(await new ReportQueue(at).pending())).toEqual(['one', 'two']);
    await new ReportQueue(at).acknowledge([report('one')]);
    expect(idsOf(await new ReportQueue(at).pending())).toEqual(['two']);
  });

  it('takes a report that is made twice for one', async () => {
    const queue = new ReportQueue(await folder());
    await queue.add(report('one'));
    await queue.add(report('one'));
    expect(idsOf(await queue.pending())).toEqual(['one']);
  });

  it('keeps the latest hundred, and says how many it dropped', async () => {
    const queue = new ReportQueue(await folder());
    const dropped = [];
    for (let n = 0; n < 102; n += 1) dropped.push(await queue.add(report(`r${n}`)));
    expect(dropped.filter((count) => count > 0)).toEqual([1, 1]);
    expect(idsOf(await queue.pending()).slice(0, 2)).toEqual(['r2', 'r3']);
  });

  it('starts anew from a damaged file, and says so', async () => {
    const at = await folder();
    const queue = new ReportQueue(at);
    await queue.add(report('one'));
    await writeFile(join(at, 'reports.json'), 'torn');
    await expect(queue.isDamaged()).resolves.toBe(true);
    await expect(queue.pending()).resolves.toEqual([]);
    await queue.add(report('two'));
    await expect(queue.isDamaged()).resolves.toBe(false);
  });
});
