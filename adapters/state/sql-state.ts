import { randomUUID } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Kysely, Transaction } from 'kysely';
import type { AuditEntry, AuditRecord, ChainHead } from '../../core/audit.ts';
import { attempt } from './attempt.ts';
import {
  forgetAudit,
  insertFound,
  raiseAuditFloor,
  selectAudit,
  selectAuditHead,
} from './audit.ts';
import { readWindow, searchHosts } from './host-search.ts';
import { selectVersionCounts } from './host-counts.ts';
import { latestSightings, selectHost, selectHosts, upsertHosts } from './hosts.ts';
import { grantLease, holdsForLong, selectLeases } from './leases.ts';
import { migrate } from './migrate.ts';
import { raiseEvents, selectAttempt, selectCounts, setAttempt } from './counts.ts';
import {
  findMoving,
  insertOffers,
  insertReports,
  moveHosts,
  overdueMove,
  retryMove,
  selectFailures,
} from './reports.ts';
import type { Move } from './reports.ts';
import { deleteHosts, deleteReports, findOldHosts, findOldReports } from './retention.ts';
import { inTransaction, SqlAccess } from './sql-access.ts';
import type { SqlAccessOptions } from './sql-access.ts';
import type {
  AuditOrder,
  Host,
  HostFilter,
  HostPage,
  HostReport,
  HostReports,
  HostSeen,
  HostSelection,
  Lease,
  LeaseOrder,
  NewVerb,
  Offer,
  RolloutCounts,
  RolloutEvents,
  State,
  StateError,
  StoredReport,
  StoredVerb,
  SweepPage,
  Swept,
  VerbResult,
  VersionCount,
} from './state.ts';
import type { Tables } from './tables.ts';
import {
  finishVerb,
  insertVerb,
  selectPendingVerbs,
  selectRecentVerbs,
  selectVerb,
  selectVerbsBehind,
} from './verbs.ts';

/** The database is owned by the state from now on; `source` is its name in messages, without credentials. */
export type SqlStateOptions = SqlAccessOptions & {
  /** Another way into the same database, used for the migrations only; `db` by default. */
  readonly schema?: Kysely<Tables>;
};

/** Rows of one statement: few enough for every engine's limits, and polls are answered between two statements. */
const BATCH_ROWS = 250;

/** The state in any SQL database that Kysely speaks to. */
export class SqlState implements State {
  readonly instanceId: string;
  readonly #access: SqlAccess;

  private constructor(instanceId: string, access: SqlAccess) {
    this.instanceId = instanceId;
    this.#access = access;
  }

  static async open(options: SqlStateOptions): Promise<SqlState> {
    const { db, schema = db, source } = options;
    const instanceId = await attempt(
      () =>
        inTransaction(schema, async (transaction) => {
          await migrate(transaction, source);
          return instanceIdOf(transaction);
        }),
      options,
    );
    return new SqlState(instanceId, new SqlAccess(options));
  }

  get failingWrite(): StateError | null {
    return this.#access.failingWrite;
  }

  async touchHosts(batch: readonly HostSeen[]): Promise<void> {
    await this.#inBatches('hosts', latestSightings(batch), upsertHosts);
  }

  findHost(id: string): Promise<Host | null> {
    return this.#access.run((db) => selectHost(db, id));
  }

  hostsOf(
    selection: HostSelection,
    page: { readonly after: string | null; readonly limit: number },
  ): Promise<readonly Host[]> {
    return this.#access.run((db) => selectHosts(db, selection, page));
  }

  findHosts(filter: HostFilter, page: Parameters<State['findHosts']>[1]): Promise<HostPage> {
    const read = (from: Parameters<typeof readWindow>[2]) =>
      this.#access.run((db) => readWindow(db, filter, from));
    return searchHosts(read, page);
  }

  countHosts(selection: HostSelection): Promise<readonly VersionCount[]> {
    return this.#access.run((db) => selectVersionCounts(db, selection));
  }

  async recordOffers(batch: readonly Offer[]): Promise<void> {
    await this.#inBatches('offers', batch, insertOffers);
  }

  async recordReports(
    hostId: string,
    reports: readonly HostReport[],
    receivedAt: Date,
  ): Promise<number> {
    const [added = 0] = await this.recordReportBatch([{ hostId, reports, receivedAt }]);
    return added;
  }

  recordReportBatch(batch: readonly HostReports[]): Promise<readonly number[]> {
    return this.#access.change('reports', (transaction) => insertReports(transaction, batch));
  }

  countsOf(rolloutId: string): Promise<RolloutCounts> {
    return this.#access.run((db) => selectCounts(db, rolloutId));
  }

  raiseEvents(rolloutId: string, atLeast: RolloutEvents): Promise<void> {
    return this.#access.change('progress', (transaction) =>
      raiseEvents(transaction, rolloutId, atLeast),
    );
  }

  markOverdue(rolloutId: string, before: Date): Promise<number> {
    return this.#moveHosts(rolloutId, overdueMove(before));
  }

  async retryFailed(rolloutId: string, newAttempt: number, at: Date): Promise<void> {
    if ((await this.#access.run((db) => selectAttempt(db, rolloutId))) >= newAttempt) return;
    await this.#moveHosts(rolloutId, retryMove(newAttempt, at));
    await this.#access.change('progress', (transaction) =>
      setAttempt(transaction, rolloutId, newAttempt),
    );
  }

  failuresOf(rolloutId: string, limit: number): Promise<readonly StoredReport[]> {
    return this.#access.run((db) => selectFailures(db, rolloutId, limit));
  }

  async forgetHosts(unseenSince: Date, page: SweepPage): Promise<Swept> {
    const { old, next } = await this.#access.run((db) => findOldHosts(db, unseenSince, page));
    if (old.length === 0) return { forgotten: 0, next };
    const forgotten = await this.#access.change('retention', (transaction) =>
      deleteHosts(transaction, old, unseenSince),
    );
    return { forgotten, next };
  }

  async forgetReports(receivedBefore: Date, page: SweepPage): Promise<Swept> {
    const { old, next } = await this.#access.run((db) => findOldReports(db, receivedBefore, page));
    if (old.length === 0) return { forgotten: 0, next };
    const forgotten = await this.#access.change('retention', (transaction) =>
      deleteReports(transaction, old),
    );
    return { forgotten, next };
  }

  async grantLease(order: LeaseOrder): Promise<boolean> {
    if (await this.#access.run((db) => holdsForLong(db, order))) return true;
    return this.#access.change('leases', (transaction) => grantLease(transaction, order));
  }

  leasesAt(at: Date): Promise<readonly Lease[]> {
    return this.#access.run((db) => selectLeases(db, at));
  }

  enqueueVerb(verb: NewVerb, record: AuditRecord): Promise<StoredVerb> {
    return this.#access.change('verbs', (transaction) => insertVerb(transaction, verb, record));
  }

  findVerb(id: string): Promise<StoredVerb | null> {
    return this.#access.run((db) => selectVerb(db, id));
  }

  pendingVerbs(): Promise<readonly StoredVerb[]> {
    return this.#access.run(selectPendingVerbs);
  }

  verbsBehind(sequence: number): Promise<readonly StoredVerb[]> {
    return this.#access.run((db) => selectVerbsBehind(db, sequence));
  }

  finishVerb(id: string, result: VerbResult, at: Date, record: AuditRecord): Promise<StoredVerb> {
    return this.#access.change('outbox', (transaction) =>
      finishVerb(transaction, id, result, at, record),
    );
  }

  recentVerbs(limit: number): Promise<readonly StoredVerb[]> {
    return this.#access.run((db) => selectRecentVerbs(db, limit));
  }

  recordFound(records: readonly AuditRecord[]): Promise<number> {
    return this.#access.change('audit', (transaction) => insertFound(transaction, records));
  }

  continueAudit(head: ChainHead): Promise<void> {
    return this.#access.change('audit', (transaction) => raiseAuditFloor(transaction, head));
  }

  forgetAudit(order: AuditOrder): Promise<number> {
    return this.#access.change('audit', (transaction) => forgetAudit(transaction, order));
  }

  auditHead(): Promise<ChainHead> {
    return this.#access.run(selectAuditHead);
  }

  auditEntries(page: {
    readonly after: number;
    readonly limit: number;
  }): Promise<readonly AuditEntry[]> {
    return this.#access.run((db) => selectAudit(db, page));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#access.close();
  }

  /** What hosts say again at their next poll. */
  async #inBatches<T>(
    kind: string,
    rows: readonly T[],
    write: (transaction: Transaction<Tables>, part: readonly T[]) => Promise<void>,
  ): Promise<void> {
    for (let start = 0; start < rows.length; start += BATCH_ROWS) {
      await this.#access.changeLoosely(kind, (transaction) =>
        write(transaction, rows.slice(start, start + BATCH_ROWS)),
      );
      await nextTurn();
    }
  }

  /** Writes nothing while there is nobody to move, which is nearly always. */
  async #moveHosts(rolloutId: string, move: Move): Promise<number> {
    const found = await this.#access.run((db) => findMoving(db, rolloutId, move, 1));
    if (found.length === 0) return 0;
    for (let total = 0; ;) {
      const count = await this.#access.change('progress', (transaction) =>
        moveHosts(transaction, rolloutId, move, BATCH_ROWS),
      );
      total += count;
      if (count < BATCH_ROWS) return total;
      await nextTurn();
    }
  }
}

async function instanceIdOf(transaction: Transaction<Tables>): Promise<string> {
  await transaction
    .insertInto('meta')
    .values({ name: 'instance-id', value: randomUUID() })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .execute();
  const { value } = await transaction
    .selectFrom('meta')
    .select('value')
    .where('name', '=', 'instance-id')
    .executeTakeFirstOrThrow();
  return value;
}
