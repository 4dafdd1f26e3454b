import { setImmediate as nextTurn } from 'node:timers/promises';
import { StateError } from '../adapters/state/state.ts';
import type { HostReports, State } from '../adapters/state/state.ts';

type Waiting = {
  readonly entry: HostReports;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
};

/** A transaction of more would hold up polls, and saves hardly anything more. */
const MOST_REPORTS = 250;

/**
 * Makes reports of hosts durable, those that arrive together in one transaction: a disk can commit few of them in a second.
 * Nothing waits for more to come: whatever arrived while the commit before was under way makes the next one.
 */
export class ReportIntake {
  readonly #state: Pick<State, 'recordReportBatch'>;
  readonly #waiting: Waiting[] = [];
  #isCommitting = false;

  constructor({ state }: { readonly state: Pick<State, 'recordReportBatch'> }) {
    this.#state = state;
  }

  /** Resolves when the reports are durable, never before. Throws what `recordReports` throws for these alone. */
  record(entry: HostReports): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ entry, resolve, reject });
      if (!this.#isCommitting) void this.#commitAll();
    });
  }

  async #commitAll(): Promise<void> {
    this.#isCommitting = true;
    while (this.#waiting.length > 0) {
      // An engine that never waits would be done before the next request is read: read all that are there first.
      await nextTurn();
      await this.#commit(this.#take());
    }
    this.#isCommitting = false;
  }

  /** From the front, as many as a transaction may hold, and one in any case. */
  #take(): readonly Waiting[] {
    let reports = 0;
    const end = this.#waiting.findIndex(({ entry }, index) => {
      reports += entry.reports.length;
      return index > 0 && reports > MOST_REPORTS;
    });
    return this.#waiting.splice(0, end < 0 ? this.#waiting.length : end);
  }

  async #commit(batch: readonly Waiting[]): Promise<void> {
    try {
      await this.#state.recordReportBatch(batch.map(({ entry }) => entry));
      for (const { resolve } of batch) resolve();
    } catch (error) {
      await this.#refuse(batch, error);
    }
  }

  /** What the database does not do for anybody fails for all; what is wrong with one host's reports, for that one. */
  async #refuse(batch: readonly Waiting[], error: unknown): Promise<void> {
    if (error instanceof StateError || batch.length === 1) {
      for (const { reject } of batch) reject(error);
      return;
    }
    for (const one of batch) await this.#commit([one]);
  }
}
