import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { reportSchema } from '../core/check-in.ts';
import type { Report } from '../core/check-in.ts';
import { readChecked, writeChecked } from './durable.ts';

/** A host that cannot reach its server for long keeps the latest reports only. */
const MAX_REPORTS = 100;

/** Outcomes that the server has not acknowledged yet. Each has an id of its own, so that sending it twice counts once. */
export class ReportQueue {
  readonly #path: string;

  constructor(stateFolder: string) {
    this.#path = join(stateFolder, 'reports.json');
  }

  async pending(): Promise<readonly Report[]> {
    const read = await readChecked(this.#path, z.array(reportSchema));
    return read.kind === 'value' ? read.value : [];
  }

  async add(report: Omit<Report, 'id'>): Promise<void> {
    const reports = [...(await this.pending()), { id: randomUUID(), ...report }];
    await writeChecked(this.#path, reports.slice(-MAX_REPORTS));
  }

  /** Forgets what the server has made durable. */
  async acknowledge(reports: readonly Report[]): Promise<void> {
    if (reports.length === 0) return;
    const left = (await this.pending()).filter(
      ({ id }) => !reports.some((report) => report.id === id),
    );
    await writeChecked(this.#path, left);
  }
}
