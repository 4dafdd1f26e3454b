import { createHash } from 'node:crypto';
import * as z from 'zod';
import { canonicalBytes } from './tuf/canonical.ts';
import { TufError } from './tuf/errors.ts';

const hash = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hex digits');
const view = z.record(z.string(), z.unknown()).nullable();

/** The end of a log: how many entries it has, and the hash of the last one, which stands for all of them. */
export const chainHeadSchema = z
  // Far below the end of exact numbers, so that a signed head always leaves room for the next entries.
  .object({ sequence: z.int().min(1).max(1e15), hash })
  .readonly();

export type ChainHead = z.infer<typeof chainHeadSchema>;

/** Of two heads of one log the one that stands for more. */
export function laterHead(a: ChainHead | null, b: ChainHead | null): ChainHead | null {
  return (b?.sequence ?? 0) > (a?.sequence ?? 0) ? b : a;
}

/** Before the first entry. */
export const EMPTY_CHAIN: ChainHead = { sequence: 0, hash: '0'.repeat(64) };

export const AUDIT_EVENTS = ['accepted', 'committed', 'rejected', 'found', 'forgotten'] as const;

/** What happened to a verb, as it is told before it has its place in the log. */
const recordSchema = z.strictObject({
  /** When it was written down, by the clock of who wrote it. */
  at: z.string(),
  /** `found`: somebody committed the verb past this log. `forgotten`: its oldest entries, up to the head `after`, are kept no more. */
  event: z.enum(AUDIT_EVENTS),
  actor: z.string(),
  verbId: z.string(),
  verb: z.string(),
  /** By the clock of who gave the verb. */
  verbAt: z.string(),
  /** Null for a verb about the fleet. */
  rolloutId: z.string().nullable(),
  reason: z.string().nullable(),
  /** Why it was rejected. */
  message: z.string().nullable(),
  /** Null if there was nothing, or it is not known: of a verb found among others only the first and the last is. */
  before: view,
  after: view,
});

export type AuditRecord = z.infer<typeof recordSchema>;

/** A line of the log. The order of its keys is the format's. */
export const auditEntrySchema = z.strictObject({
  /** 1, 2, 3, … without a gap. */
  sequence: z.int().min(1),
  ...recordSchema.shape,
  /** Of the entry before; of the first one 64 zeros. */
  previousHash: hash,
  /** SHA-256 of the canonical JSON of everything else in the entry. */
  hash,
});

export type AuditEntry = z.infer<typeof auditEntrySchema>;

/** The entry that follows `head`; it is the new head. */
export function appendEntry(head: ChainHead, record: AuditRecord): AuditEntry {
  const entry = { sequence: head.sequence + 1, ...record, previousHash: head.hash };
  return { ...entry, hash: hashOf(entry) };
}

export type ChainFault =
  /** The content of the entry does not have the hash that it carries. */
  | 'changed'
  /** The entry is missing. */
  | 'removed'
  /** The entry stands behind a later one. */
  | 'reordered'
  /** The entry stands there twice. */
  | 'repeated'
  /** The entry follows another one than the one before it. */
  | 'forked'
  /** The log holds together, but it is not the one that the witness saw. */
  | 'rewritten';

export type ChainVerdict =
  | { readonly kind: 'intact'; readonly head: ChainHead }
  | {
      readonly kind: 'broken';
      /** The first entry that is not as it was written; of a rewritten log the one that the witness saw. */
      readonly sequence: number;
      readonly fault: ChainFault;
      readonly detail: string;
    };

/**
 * Judges a log that begins right behind `from`. A log that was rewritten whole, or lost its end, still holds together: that
 * is found by witnesses, heads that somebody keeps elsewhere. Those before `from` cannot be judged and are passed over.
 */
export function verifyChain(
  lines: readonly unknown[],
  {
    from = EMPTY_CHAIN,
    witnesses = [],
  }: { readonly from?: ChainHead; readonly witnesses?: readonly ChainHead[] } = {},
): ChainVerdict {
  const hashes: string[] = [];
  let head = from;
  for (const [index, line] of lines.entries()) {
    const sequence = head.sequence + 1;
    const entry = auditEntrySchema.safeParse(line).data;
    if (entry === undefined) return broken(sequence, 'changed', 'it is not an entry of this log');
    if (!hasOwnHash(line)) return broken(sequence, 'changed', 'its content has another hash');
    if (entry.sequence < sequence) return twice(entry, hashes[entry.sequence - from.sequence - 1]);
    if (entry.sequence > sequence) return missing(sequence, lines.slice(index));
    if (entry.previousHash !== head.hash) {
      return broken(sequence, 'forked', 'it follows another entry than the one before it');
    }
    hashes.push(entry.hash);
    head = { sequence, hash: entry.hash };
  }
  for (const { sequence, hash: seen } of witnesses) {
    if (sequence < from.sequence) continue;
    if (sequence > head.sequence) {
      return broken(head.sequence + 1, 'removed', `a witness saw entries up to ${sequence}`);
    }
    const present = sequence === from.sequence ? from.hash : hashes[sequence - from.sequence - 1];
    if (present !== seen) {
      return broken(sequence, 'rewritten', 'a witness saw another entry here, or one before it');
    }
  }
  return { kind: 'intact', head };
}

/**
 * Behind which head a log begins that forgot its oldest entries, as an entry of its own says; null if none says so. Whether
 * that is true is for `verifyChain` to find.
 */
export function forgottenHead(lines: readonly unknown[]): ChainHead | null {
  const entries = lines.flatMap((line) => auditEntrySchema.safeParse(line).data ?? []);
  const [first] = entries;
  return (
    entries
      .filter(({ event }) => event === 'forgotten')
      .flatMap(({ after }) => chainHeadSchema.safeParse(after).data ?? [])
      .find(({ sequence }) => sequence + 1 === first?.sequence) ?? null
  );
}

function twice({ sequence, hash: own }: AuditEntry, first: string | undefined): ChainVerdict {
  return own === first || first === undefined
    ? broken(sequence, 'repeated', 'it stands there once more, behind later ones')
    : broken(sequence, 'forked', 'there are two of it, and they differ');
}

function missing(sequence: number, rest: readonly unknown[]): ChainVerdict {
  const isLater = rest.some((line) => auditEntrySchema.safeParse(line).data?.sequence === sequence);
  return isLater
    ? broken(sequence, 'reordered', 'it stands behind a later one')
    : broken(sequence, 'removed', 'it is missing');
}

function broken(sequence: number, fault: ChainFault, detail: string): ChainVerdict {
  return { kind: 'broken', sequence, fault, detail };
}

/** Of the line as it came: reading it by a schema may drop a key, such as `__proto__`, that somebody put in. */
function hasOwnHash(line: unknown): boolean {
  if (typeof line !== 'object' || line === null || !('hash' in line)) return false;
  const { hash: own, ...content } = line;
  try {
    return hashOf(content) === own;
  } catch (error) {
    // A fraction or half a character, which no entry was ever written with.
    if (error instanceof TufError) return false;
    throw error;
  }
}

function hashOf(content: object): string {
  return createHash('sha256').update(canonicalBytes(content)).digest('hex');
}
