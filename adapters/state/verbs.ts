import type { Kysely, Selectable, Transaction } from 'kysely';
import type { AuditRecord } from '../../core/audit.ts';
import { insertAudit } from './audit.ts';
import { StateError } from './state.ts';
import type { NewVerb, StoredVerb, VerbResult, VerbStatus } from './state.ts';
import type { Tables } from './tables.ts';

/** The verb as it is stored now: finished already, perhaps, if its id is known. */
export async function insertVerb(
  transaction: Transaction<Tables>,
  verb: NewVerb,
  record: AuditRecord,
): Promise<StoredVerb> {
  const known = await selectVerb(transaction, verb.id);
  if (known !== null) {
    if (known.json === verb.json) return known;
    throw new StateError('state/conflict', `verb ${verb.id} was accepted with another content`);
  }
  const { last } = await transaction
    .selectFrom('verbs')
    .select(({ fn }) => fn.max('sequence').as('last'))
    .$castTo<{ last: number | null }>()
    .executeTakeFirstOrThrow();
  const row = await transaction
    .insertInto('verbs')
    .values({
      id: verb.id,
      // Not the engine's own counter: transactions that write run one at a time, so this leaves no gaps and no order to doubt.
      sequence: (last ?? 0) + 1,
      json: verb.json,
      accepted_at: verb.acceptedAt.getTime(),
      status: 'pending',
      finished_at: null,
      message: null,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
  await insertAudit(transaction, record);
  return fromRow(row);
}

export async function finishVerb(
  transaction: Transaction<Tables>,
  id: string,
  result: VerbResult,
  at: Date,
  record: AuditRecord,
): Promise<StoredVerb> {
  const finished = await transaction
    .updateTable('verbs')
    .set({
      status: result.kind,
      finished_at: at.getTime(),
      message: result.kind === 'rejected' ? result.message : null,
    })
    .where('id', '=', id)
    .where('status', '=', 'pending')
    .returning('id')
    .execute();
  if (finished.length > 0) await insertAudit(transaction, record);
  const verb = await selectVerb(transaction, id);
  if (verb === null) throw new StateError('state/not-there', `no verb has the id ${id}`);
  return verb;
}

export async function selectVerb(db: Kysely<Tables>, id: string): Promise<StoredVerb | null> {
  const row = await db.selectFrom('verbs').selectAll().where('id', '=', id).executeTakeFirst();
  return row === undefined ? null : fromRow(row);
}

export async function selectPendingVerbs(db: Kysely<Tables>): Promise<readonly StoredVerb[]> {
  const rows = await db
    .selectFrom('verbs')
    .selectAll()
    .where('status', '=', 'pending')
    .orderBy('sequence')
    .execute();
  return rows.map(fromRow);
}

export async function selectVerbsBehind(
  db: Kysely<Tables>,
  sequence: number,
): Promise<readonly StoredVerb[]> {
  const rows = await db
    .selectFrom('verbs')
    .selectAll()
    .where((where) => where.or([where('sequence', '>', sequence), where('status', '=', 'pending')]))
    .orderBy('sequence')
    .execute();
  return rows.map(fromRow);
}

export async function selectRecentVerbs(
  db: Kysely<Tables>,
  limit: number,
): Promise<readonly StoredVerb[]> {
  const rows = await db
    .selectFrom('verbs')
    .selectAll()
    .orderBy('sequence', 'desc')
    .limit(limit)
    .execute();
  return rows.map(fromRow);
}

function fromRow(row: Selectable<Tables['verbs']>): StoredVerb {
  return {
    id: row.id,
    sequence: row.sequence,
    json: row.json,
    acceptedAt: new Date(row.accepted_at),
    status: statusOf(row),
  };
}

function statusOf(row: Selectable<Tables['verbs']>): VerbStatus {
  if (row.status === 'pending') return { kind: 'pending' };
  // The schema's checks hold that a finished verb has a time, and a rejected one a message.
  const finishedAt = new Date(row.finished_at ?? Number.NaN);
  if (row.status === 'committed') return { kind: 'committed', finishedAt };
  return { kind: 'rejected', message: row.message ?? '', finishedAt };
}
