import type { Logger } from 'pino';
import type { State, SweepPage, SweepPlace, Swept } from '../../adapters/state/state.ts';

/** How long what hosts told is kept; null is for ever. */
export type RetentionPolicy = {
  readonly hostsMs: number | null;
  readonly reportsMs: number | null;
};

export type RetentionOptions = {
  readonly state: Pick<State, 'forgetHosts' | 'forgetReports'>;
  readonly policy: RetentionPolicy;
  readonly now: () => Date;
  readonly log: Logger;
};

/** Rows that a run looks at: few enough that nobody who writes waits for it to be noticed. */
const PAGE_ROWS = 500;

type Forget = (before: Date, page: SweepPage) => Promise<Swept>;

/** Walks through hosts and reports, a page a run and again from the start, and forgets what is too old. */
export class Retention {
  readonly #options: RetentionOptions;
  #hosts: SweepPlace | null = null;
  #reports: SweepPlace | null = null;

  constructor(options: RetentionOptions) {
    this.#options = options;
  }

  async tick(): Promise<void> {
    const { state, policy } = this.#options;
    this.#hosts = await this.#sweep('hosts', policy.hostsMs, this.#hosts, (before, page) =>
      state.forgetHosts(before, page),
    );
    this.#reports = await this.#sweep('reports', policy.reportsMs, this.#reports, (before, page) =>
      state.forgetReports(before, page),
    );
  }

  async #sweep(
    what: string,
    keepMs: number | null,
    after: SweepPlace | null,
    forget: Forget,
  ): Promise<SweepPlace | null> {
    if (keepMs === null) return null;
    const { now, log } = this.#options;
    const before = new Date(now().getTime() - keepMs);
    const { forgotten, next } = await forget(before, { after, limit: PAGE_ROWS });
    if (forgotten > 0) log.info({ what, forgotten, before }, 'forgotten');
    return next;
  }
}
