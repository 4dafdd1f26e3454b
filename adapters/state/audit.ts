import type { Kysely, Selectable, Transaction } from 'kysely';
import { appendEntry, chainHeadSchema, EMPTY_CHAIN } from '../../core/audit.ts';
import type { AuditEntry, AuditRecord, ChainHead } from '../../core/audit.ts';
import { formatInstant, parseInstant } from '../../core/instant.ts';
import { recordOfForgotten } from '../../core/audit-record.ts';
import { StateError } from './state.ts';
import type { AuditOrder } from './state.ts';
import type { Tables } from './tables.ts';

/** Names the head that the log goes on from when it has lost its own entries up to there. */
const FLOOR = 'audit-floor';

/** Gives the record the next place in the log. */
export async function insertAudit(
  transaction: Transaction<Tables>,
  record: AuditRecord,
): Promise<void> {
  const entry = appendEntry(await selectAuditHead(transaction), record);
  await transaction.insertInto('audit').values(toRow(entry)).execute();
}

/**
 * Writes down those that the log does not tell of yet: neither found nor accepted here, or accepted but rejected. What it told of
 * and has forgotten is not told again; when a verb was given, only the clock of who gave it says, which may be far off.
 */
export async function insertFound(
  transaction: Transaction<Tables>,
  records: readonly AuditRecord[],
): Promise<number> {
  let added = 0;
  for (const record of records) {
    if (await isTold(transaction, record.verbId)) continue;
    await insertAudit(transaction, record);
    added += 1;
  }
  return added;
}

async function isTold(transaction: Transaction<Tables>, verbId: string): Promise<boolean> {
  const rows = await transaction
    .selectFrom('audit')
    .select('event')
    .where('verb_id', '=', verbId)
    .execute();
  const events = rows.map(({ event }) => event);
  if (events.includes('committed') || events.includes('found')) return true;
  if (events.includes('rejected')) return false;
  if (events.includes('accepted')) return true;
  const forgotten = await transaction
    .selectFrom('forgotten_verbs')
    .select('verb_id')
    .where('verb_id', '=', verbId)
    .executeTakeFirst();
  return forgotten !== undefined;
}

/** The last entry, or the floor if that is later. */
export async function selectAuditHead(db: Kysely<Tables>): Promise<ChainHead> {
  const last = await db
    .selectFrom('audit')
    .select(['sequence', 'hash'])
    .orderBy('sequence', 'desc')
    .limit(1)
    .executeTakeFirst();
  const floor = await selectFloor(db);
  return last !== undefined && last.sequence >= floor.sequence ? last : floor;
}

/** Lets the log go on behind this head if it ends before it. */
export async function raiseAuditFloor(
  transaction: Transaction<Tables>,
  head: ChainHead,
): Promise<void> {
  const present = await selectAuditHead(transaction);
  if (present.sequence >= head.sequence) return;
  await setMeta(transaction, FLOOR, JSON.stringify(head));
}

/**
 * Forgets the first entries up to the one before which all were written before a time, and says so in the log. Returns
 * how many they were.
 */
export async function forgetAudit(
  transaction: Transaction<Tables>,
  { before, upTo, limit, at }: AuditOrder,
): Promise<number> {
  const rows = await transaction
    .selectFrom('audit')
    .select(['sequence', 'hash', 'recorded_at', 'verb_id', 'event'])
    .where('sequence', '<=', upTo)
    .orderBy('sequence')
    .limit(limit)
    .execute();
  const kept = rows.findIndex(({ recorded_at }) => recorded_at >= before.getTime());
  const old = kept < 0 ? rows : rows.slice(0, kept);
  const last = old.at(-1);
  if (last === undefined) return 0;
  const head = { sequence: last.sequence, hash: last.hash };
  await insertAudit(transaction, recordOfForgotten(head, { at, before }));
  await setMeta(transaction, FLOOR, JSON.stringify(head));
  for (const { verb_id, event } of old) await rememberTold(transaction, verb_id, event);
  await transaction.deleteFrom('audit').where('sequence', '<=', head.sequence).execute();
  return old.length;
}

export async function selectAudit(
  db: Kysely<Tables>,
  { after, limit }: { readonly after: number; readonly limit: number },
): Promise<readonly AuditEntry[]> {
  const rows = await db
    .selectFrom('audit')
    .selectAll()
    .where('sequence', '>', after)
    .orderBy('sequence')
    .limit(limit)
    .execute();
  return rows.map(fromRow);
}

/** A verb that was rejected may still be committed by somebody else, and is news then. */
async function rememberTold(
  transaction: Transaction<Tables>,
  verbId: string,
  event: AuditEntry['event'],
): Promise<void> {
  if (event === 'rejected') {
    await transaction.deleteFrom('forgotten_verbs').where('verb_id', '=', verbId).execute();
  } else if (event !== 'forgotten') {
    await transaction
      .insertInto('forgotten_verbs')
      .values({ verb_id: verbId })
      .onConflict((conflict) => conflict.column('verb_id').doNothing())
      .execute();
  }
}

async function selectMeta(db: Kysely<Tables>, name: string): Promise<string | undefined> {
  const row = await db
    .selectFrom('meta')
    .select('value')
    .where('name', '=', name)
    .executeTakeFirst();
  return row?.value;
}

async function setMeta(transaction: Transaction<Tables>, name: string, value: string) {
  await transaction
    .insertInto('meta')
    .values({ name, value })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ value }))
    .execute();
}

async function selectFloor(db: Kysely<Tables>): Promise<ChainHead> {
  const text = await selectMeta(db, FLOOR);
  if (text === undefined) return EMPTY_CHAIN;
  try {
    return chainHeadSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new StateError('state/damaged', `${FLOOR} is not the head of a log`, { cause });
  }
}

function toRow(entry: AuditEntry): Tables['audit'] {
  return {
    sequence: entry.sequence,
    recorded_at: parseInstant(entry.at).getTime(),
    event: entry.event,
    actor: entry.actor,
    verb_id: entry.verbId,
    verb: entry.verb,
    verb_at: parseInstant(entry.verbAt).getTime(),
    rollout_id: entry.rolloutId,
    reason: entry.reason,
    message: entry.message,
    before: entry.before === null ? null : JSON.stringify(entry.before),
    after: entry.after === null ? null : JSON.stringify(entry.after),
    previous_hash: entry.previousHash,
    hash: entry.hash,
  };
}

/** Whatever stands in the row is told as it is: that somebody changed it is found by its hash. */
function fromRow(row: Selectable<Tables['audit']>): AuditEntry {
  return {
    sequence: row.sequence,
    at: instantText(row.recorded_at),
    event: row.event,
    actor: row.actor,
    verbId: row.verb_id,
    verb: row.verb,
    verbAt: instantText(row.verb_at),
    rolloutId: row.rollout_id,
    reason: row.reason,
    message: row.message,
    before: viewOf(row.before),
    after: viewOf(row.after),
    previousHash: row.previous_hash,
    hash: row.hash,
  };
}

function instantText(ms: number): string {
  const instant = new Date(ms);
  return Number.isNaN(instant.getTime()) ? String(ms) : formatInstant(instant);
}

function viewOf(text: string | null): AuditEntry['before'] {
  if (text === null) return null;
  try {
    return JSON.parse(text);
  } catch {
    return { damaged: text };
  }
}
