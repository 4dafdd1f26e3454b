import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { appendEntry, AUDIT_EVENTS, EMPTY_CHAIN, verifyChain } from '../../core/audit.ts';
import type { AuditEntry, AuditRecord, ChainHead } from '../../core/audit.ts';

const RECORD: AuditRecord = {
  at: '2026-03-01T12:00:00Z',
  event: 'accepted',
  actor: 'operator',
  verbId: 'verb-1',
  verb: 'pause',
  verbAt: '2026-03-01T12:00:00Z',
  rolloutId: 'rollout-1',
  reason: 'boot failures',
  message: null,
  before: { state: 'running', clockMs: 0, runningSince: '2026-03-01T11:00:00Z' },
  after: { state: 'paused', clockMs: 3_600_000, runningSince: null },
};

function logOf(records: readonly AuditRecord[], from: ChainHead = EMPTY_CHAIN): AuditEntry[] {
  const entries: AuditEntry[] = [];
  for (const record of records) entries.push(appendEntry(entries.at(-1) ?? from, record));
  return entries;
}

function logOfLength(length: number, from?: ChainHead): AuditEntry[] {
  const records = Array.from({ length }, (_, index) => ({ ...RECORD, verbId: `verb-${index}` }));
  return logOf(records, from);
}

const texts = fc.oneof(fc.string(), fc.string({ unit: 'binary' }));
const views = fc.option(fc.dictionary(texts, fc.oneof(texts, fc.maxSafeInteger(), fc.boolean())));
const records: fc.Arbitrary<AuditRecord> = fc.record({
  at: texts,
  event: fc.constantFrom(...AUDIT_EVENTS),
  actor: texts,
  verbId: texts,
  verb: texts,
  verbAt: texts,
  rolloutId: texts,
  reason: fc.option(texts),
  message: fc.option(texts),
  before: views,
  after: views,
});
const logs = fc.array(records, { minLength: 2, maxLength: 12 }).map((all) => logOf(all));
/** A log, and two places in it. */
const places = logs.chain((log) => {
  const index = fc.nat({ max: log.length - 1 });
  return fc.tuple(fc.constant(log), index, index);
});

describe('verifyChain', () => {
  it('finds a log whole, however it came over the wire, and names its head', () => {
    fc.assert(
      fc.property(logs, (log) => {
        const read: unknown[] = log.map((entry) => JSON.parse(JSON.stringify(entry)));
        const last = log.at(-1);
        expect(verifyChain(read, { witnesses: log })).toEqual({
          kind: 'intact',
          head: { sequence: log.length, hash: last?.hash },
        });
      }),
    );
    expect(verifyChain([])).toEqual({ kind: 'intact', head: EMPTY_CHAIN });
  });

  it('finds any changed field of any entry, and names that entry', () => {
    const field = fc.constantFrom(...Object.keys(appendEntry(EMPTY_CHAIN, RECORD)));
    const value = fc.oneof(fc.constant(null), fc.integer(), texts, views, fc.double());
    fc.assert(
      fc.property(places, field, value, ([log, index], name, other) => {
        const before = JSON.stringify(log[index]);
        const changed = log.map((entry, at) =>
          at === index ? { ...entry, [name]: other } : entry,
        );
        fc.pre(JSON.stringify(changed[index]) !== before);
        expect(verifyChain(changed)).toMatchObject({
          kind: 'broken',
          sequence: index + 1,
          fault: 'changed',
        });
      }),
    );
  });

  it('finds a removed entry, the last one too if somebody saw it', () => {
    fc.assert(
      fc.property(places, ([log, index]) => {
        const rest = log.toSpliced(index, 1);
        const { head } = { head: log.at(-1) ?? EMPTY_CHAIN };
        expect(verifyChain(rest, { witnesses: [head] })).toMatchObject({
          kind: 'broken',
          sequence: index + 1,
          fault: 'removed',
        });
      }),
    );
  });

  it('finds two entries that changed places', () => {
    fc.assert(
      fc.property(places, ([log, one, other]) => {
        fc.pre(one !== other);
        const swapped = log.map((entry, at) =>
          at === one ? log[other] : at === other ? log[one] : entry,
        );
        expect(verifyChain(swapped)).toMatchObject({
          kind: 'broken',
          sequence: Math.min(one, other) + 1,
          fault: 'reordered',
        });
      }),
    );
  });

  it('finds an entry that stands there twice, wherever the copy is', () => {
    fc.assert(
      fc.property(places, ([log, index, where]) => {
        const verdict = verifyChain(log.toSpliced(where, 0, ...log.slice(index, index + 1)));
        expect(verdict.kind).toBe('broken');
      }),
    );
    const log = logOfLength(4);
    expect(verifyChain([...log, log[1]])).toMatchObject({ sequence: 2, fault: 'repeated' });
  });

  it('finds an entry that was changed and given the fitting hash, by the one behind it', () => {
    const log = logOfLength(4);
    const forged = appendEntry(log[0] ?? EMPTY_CHAIN, { ...RECORD, actor: 'nobody' });
    expect(verifyChain(log.with(1, forged))).toMatchObject({ sequence: 3, fault: 'forked' });
    expect(verifyChain([...log, forged])).toMatchObject({ sequence: 2, fault: 'forked' });
  });

  it('finds that half a character became another half', () => {
    const [entry] = logOf([{ ...RECORD, reason: '\ufffd' }]);
    expect(verifyChain([{ ...entry, reason: '\ud800' }])).toMatchObject({ fault: 'changed' });
  });

  it('finds a key that readers drop', () => {
    const line = JSON.stringify(logOfLength(1)[0]).replace('"clockMs":0', '"__proto__":0,$&');
    expect(verifyChain([JSON.parse(line)])).toMatchObject({ fault: 'changed' });
  });

  it.each([
    { case: 'text', line: 'entry' },
    { case: 'nothing', line: null },
    { case: 'an entry with one key more', line: { ...logOfLength(1)[0], note: 'x' } },
    { case: 'an entry without its hash', line: { ...logOfLength(1)[0], hash: undefined } },
  ])('takes $case for a changed entry', ({ line }) => {
    expect(verifyChain([line])).toMatchObject({ sequence: 1, fault: 'changed' });
  });
});

describe('verifyChain, with witnesses', () => {
  it('finds that everything from an entry on was rewritten and hashed anew', () => {
    fc.assert(
      fc.property(places, texts, ([log, index], actor) => {
        fc.pre(log[index]?.actor !== actor);
        const kept = log.slice(0, index);
        const tail = log.slice(index).map((entry, at) => {
          const { sequence: _s, previousHash: _p, hash: _h, ...record } = entry;
          return at === 0 ? { ...record, actor } : record;
        });
        const rewritten = [...kept, ...logOf(tail, kept.at(-1))];
        expect(verifyChain(rewritten).kind).toBe('intact');
        const witnesses = log.slice(-1);
        expect(verifyChain(rewritten, { witnesses })).toMatchObject({
          kind: 'broken',
          sequence: log.length,
          fault: 'rewritten',
        });
        expect(verifyChain(rewritten, { witnesses: kept.slice(-1) }).kind).toBe('intact');
      }),
    );
  });

  it('finds that the end is gone which a witness saw', () => {
    const log = logOfLength(5);
    expect(verifyChain(log.slice(0, 3), { witnesses: log.slice(-1) })).toMatchObject({
      sequence: 4,
      fault: 'removed',
    });
    expect(verifyChain(log.slice(0, 3)).kind).toBe('intact');
  });

  it('judges the rest of a log from a head that was kept', () => {
    const log = logOfLength(5);
    const [, , third] = log;
    if (third === undefined) throw new Error('the log has five entries');
    const from = { sequence: third.sequence, hash: third.hash };
    expect(verifyChain(log.slice(3), { from, witnesses: [from] }).kind).toBe('intact');
    expect(verifyChain(log.slice(3), { from, witnesses: log.slice(0, 1) }).kind).toBe('intact');
    expect(verifyChain(log.slice(3))).toMatchObject({ sequence: 1, fault: 'removed' });
    const other = { ...from, hash: 'f'.repeat(64) };
    expect(verifyChain(log.slice(3), { from: other })).toMatchObject({ sequence: 4 });
    expect(verifyChain(log.slice(3), { from, witnesses: [other] })).toMatchObject({
      sequence: 3,
      fault: 'rewritten',
    });
  });
});
