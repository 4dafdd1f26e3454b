import type { Logger } from 'pino';
import { StateError } from '../adapters/state/state.ts';
import type { State } from '../adapters/state/state.ts';
import type { AuditRecord, ChainHead } from '../core/audit.ts';
import { recordsOfFound } from '../core/audit-record.ts';
import { EMPTY_PLAN } from '../core/plan.ts';
import type { Plan } from '../core/plan.ts';
import type { Fleet } from './fleet.ts';

export type AuditTrailOptions = {
  readonly state: Pick<State, 'recordFound' | 'continueAudit' | 'auditHead' | 'auditEntries'>;
  readonly fleet: Fleet;
  readonly now: () => Date;
  readonly log: Logger;
  /** Tells the job that there is something to write down. */
  readonly wake: () => void;
};

/** Records of one transaction: few enough to let others write in between. */
const BATCH = 100;

/**
 * What the server does for its audit log besides the entries of its own verbs: it writes down the verbs that others
 * committed, and names the log's head in what it signs.
 */
export class AuditTrail {
  readonly #options: AuditTrailOptions;
  #found: readonly AuditRecord[];
  #isDoubted = false;

  constructor(options: AuditTrailOptions, found: readonly AuditRecord[]) {
    this.#options = options;
    this.#found = found;
  }

  /** Takes note of the verbs between two manifests; those that the log tells of already are left out when it is written. */
  observe(before: Plan, after: Plan): void {
    const records = recordsOfFound(before, after, this.#options.now());
    if (records.length === 0) return;
    this.#found = [...this.#found, ...records];
    this.#options.wake();
  }

  /** Writes down what was observed; what could not be written is kept for the next time. */
  async flush(): Promise<void> {
    while (this.#found.length > 0) {
      const batch = this.#found.slice(0, BATCH);
      const count = await this.#options.state.recordFound(batch);
      this.#found = this.#found.filter((record) => !batch.includes(record));
      if (count > 0) this.#options.log.info({ count }, 'verbs of others written down');
    }
  }

  /**
   * The head of the log, for the manifest to name; null leaves the one that it names. A log that does not go on from there
   * was tampered with: the manifest stays a witness against it. A database that is away holds up no commit.
   */
  async headToSign(): Promise<ChainHead | null> {
    const { state, fleet, log } = this.#options;
    const { auditHead: signed } = fleet.view.published;
    try {
      const head = await state.auditHead();
      if (signed !== null && !(await this.#goesOnFrom(signed, head))) {
        if (!this.#isDoubted) log.error({ signed, head }, 'audit log contradicts the manifest');
        this.#isDoubted = true;
        return null;
      }
      this.#isDoubted = false;
      return head.sequence === 0 ? null : head;
    } catch (error) {
      if (!(error instanceof StateError)) throw error;
      log.warn({ err: error }, 'audit log cannot be read, the manifest names its former head');
      return null;
    }
  }

  /** Whether the log holds the signed head, or lost everything up to there and follows it. */
  async #goesOnFrom(signed: ChainHead, head: ChainHead): Promise<boolean> {
    if (head.sequence === signed.sequence) return head.hash === signed.hash;
    const page = { after: signed.sequence - 1, limit: 1 };
    const [entry] = await this.#options.state.auditEntries(page);
    return entry?.sequence === signed.sequence
      ? entry.hash === signed.hash
      : entry?.sequence === signed.sequence + 1 && entry.previousHash === signed.hash;
  }
}

/** Goes on from the head that the manifest names, and writes down what others committed while no server ran. */
export async function openAuditTrail(options: AuditTrailOptions): Promise<AuditTrail> {
  const { state, fleet, now } = options;
  const { published } = fleet.view;
  const { auditHead } = published;
  if (auditHead !== null) await state.continueAudit(auditHead);
  const trail = new AuditTrail(options, recordsOfFound(EMPTY_PLAN, published, now()));
  await trail.flush();
  return trail;
}
