import type { Logger } from 'pino';
import type { ChainHead } from '../../core/audit.ts';
import type { State, SweepPage, SweepPlace, Swept } from '../../adapters/state/state.ts';

/** How long what hosts told, and what was done, is kept; null is for ever. */
export type RetentionPolicy = {
  readonly hostsMs: number | null;
  readonly reportsMs: number | null;
  readonly auditMs: number | null;
};

export type RetentionOptions = {
  readonly state: Pick<State, 'forgetHosts' | 'forgetReports' | 'forgetAudit' | 'auditEntries'>;
  /** The head of the audit log that the manifest names. */
  readonly signedHead: () => ChainHead | null;
  readonly policy: RetentionPolicy;
  readonly now: () => Date;
  readonly log: Logger;
};

/** Rows that a run looks at: few enough that nobody who writes waits for it to be noticed. */
const PAGE_ROWS = 500;
/** Each time that the audit log forgets something is told in the log: that happens once a day at most. */
const AUDIT_LATE_MS = 86_400_000;

type Forget = (before: Date, page: SweepPage) => Promise<Swept>;

/** Forgets what is too old: walks through hosts and reports, a page a run and again from the start, and shortens the audit log. */
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
    if (policy.auditMs !== null) await this.#shortenAudit(policy.auditMs);
  }

  /** Never beyond the head that is signed: the log must still show that it goes on from there. */
  async #shortenAudit(keepMs: number): Promise<void> {
    const { state, signedHead, now, log } = this.#options;
    const signed = signedHead();
    const [oldest] = await state.auditEntries({ after: 0, limit: 1 });
    const at = now();
    const before = new Date(at.getTime() - keepMs);
    if (signed === null || oldest === undefined) return;
    if (!(Date.parse(oldest.at) < before.getTime() - AUDIT_LATE_MS)) return;
    const order = { before, upTo: signed.sequence, limit: PAGE_ROWS, at };
    const forgotten = await state.forgetAudit(order);
    if (forgotten > 0) log.info({ what: 'audit', forgotten, before }, 'forgotten');
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
