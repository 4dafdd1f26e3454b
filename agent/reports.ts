import { join } from 'node:path';
import * as z from 'zod';
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
    const read = await this.#read();
    return read.kind === 'value' ? read.value : [];
  }

  /** Whether reports were lost because the file that held them was damaged. */
  async isDamaged(): Promise<boolean> {
    return (await this.#read()).kind === 'damaged';
  }

  /** A report whose id waits already is the same report. Returns how many of the oldest had to be dropped for it. */
  async add(report: Report): Promise<number> {
    const others = (await this.pending()).filter(({ id }) => id !== report.id);
    const reports = [...others, report];
    const kept = reports.slice(-MAX_REPORTS);
    await writeChecked(this.#path, kept);
    return reports.length - kept.length;
  }

  #read() {
    return readChecked(this.#path, z.array(reportSchema));
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
