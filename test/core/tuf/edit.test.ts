import { describe, expect, it } from '@jest/globals';
import { canonicalBytes } from '../../../core/tuf/canonical.ts';
import {
  addDelegations,
  addTargets,
  metaFile,
  newRoot,
  newTargets,
  nextEdition,
  nextSnapshot,
  nextTimestamp,
  replaceTarget,
} from '../../../core/tuf/edit.ts';
import { encodeEnvelope, parseTargets } from '../../../core/tuf/metadata.ts';
import { lint } from '../../../core/tuf/lint.ts';
import { contentOf, verifySignatures } from '../../../core/tuf/verify.ts';
import { EDITION, fileOf, sampleKey, sampleMetadata } from '../../support/tuf-samples.ts';

const code = (expected: string) => expect.objectContaining({ code: expected });

describe('newRoot', () => {
  const holder = { keys: [sampleKey().key], threshold: 1 };

  it('writes each key once, however many roles it holds', () => {
    const root = newRoot(
      { root: holder, targets: holder, snapshot: holder, timestamp: holder },
      EDITION,
    );
    expect(Object.keys(root.keys)).toEqual(root.roles.root.keyids);
    expect(root).toMatchObject({ ...EDITION, consistent_snapshot: true, spec_version: '1.0.0' });
  });

  it('refuses the same key twice in a role', () => {
    const twice = { keys: [...holder.keys, ...holder.keys], threshold: 2 };
    expect(() =>
      newRoot({ root: twice, targets: holder, snapshot: holder, timestamp: holder }, EDITION),
    ).toThrow(code('tuf/key'));
  });

  it.each([0, 2, 0.5, Number.NaN])('refuses a threshold of %p for one key', (threshold) => {
    const wrong = { ...holder, threshold };
    expect(() =>
      newRoot({ root: holder, targets: wrong, snapshot: holder, timestamp: holder }, EDITION),
    ).toThrow(code('tuf/threshold'));
  });
});

describe('addDelegations', () => {
  const role = { keys: [sampleKey().key], threshold: 1, name: 'releases-a-b', paths: ['a-b-*'] };

  it('puts new roles behind those that are there, terminating', () => {
    const { targets } = sampleMetadata();
    const next = addDelegations(targets, [role]);
    expect(next.delegations?.roles.map(({ name }) => name)).toEqual([
      'rollouts',
      'releases-aws-x86_64',
      'releases-a-b',
    ]);
    expect(next.delegations?.roles.at(-1)).toMatchObject({ terminating: true, paths: ['a-b-*'] });
  });

  it('refuses a role that is there', () => {
    expect(() => addDelegations(newTargets(EDITION, [role]), [role])).toThrow(code('tuf/name'));
  });
});

describe('addTargets', () => {
  const before = addTargets(newTargets(EDITION), { a: fileOf('one') });

  it('adds, and leaves what it was given as it was', () => {
    const after = addTargets(before, { b: fileOf('two') });
    expect(after.targets).toEqual({ a: fileOf('one'), b: fileOf('two') });
    expect(before.targets).toEqual({ a: fileOf('one') });
  });

  it('takes the same bytes again', () => {
    expect(addTargets(before, { a: fileOf('one') })).toEqual(before);
  });

  it('refuses other bytes of the same length, and the same hash of another length', () => {
    expect(() => addTargets(before, { a: fileOf('eno') })).toThrow(code('tuf/target-exists'));
    expect(() => addTargets(before, { a: { ...fileOf('one'), length: 4 } })).toThrow(
      code('tuf/target-exists'),
    );
  });

  it('is not confused by names that every object has', () => {
    const names = { constructor: fileOf('x'), toString: fileOf('y') };
    expect(Object.keys(addTargets(before, names).targets)).toHaveLength(3);
  });
});

describe('replaceTarget', () => {
  it('gives a name new content', () => {
    const before = addTargets(newTargets(EDITION), { a: fileOf('one'), b: fileOf('b') });
    const after = replaceTarget(before, 'a', fileOf('two'));
    expect(after.targets).toEqual({ a: fileOf('two'), b: fileOf('b') });
  });
});

describe('versions', () => {
  const { targets, snapshot, timestamp } = sampleMetadata();
  const next = { version: 3, expires: '2041-01-01T00:00:00Z' };

  it('rise, possibly by more than one', () => {
    expect(nextEdition(targets, next)).toMatchObject(next);
  });

  it.each([1, 0])('do not become %p after 1', (version) => {
    const edition = { ...next, version };
    const meta = metaFile(2, fileOf('x'));
    expect(() => nextEdition(targets, edition)).toThrow(code('tuf/version'));
    expect(() => nextSnapshot(snapshot, new Map(), edition)).toThrow(code('tuf/version'));
    expect(() => nextTimestamp(timestamp, meta, edition)).toThrow(code('tuf/version'));
  });

  it('of a role in the snapshot rise too, and no role disappears', () => {
    const meta = metaFile(2, fileOf('x'));
    const after = nextSnapshot(snapshot, new Map([['rollouts', meta]]), next);
    expect(after.meta).toEqual({ ...snapshot.meta, 'rollouts.json': meta });
    const same = new Map([['rollouts', metaFile(1, fileOf('x'))]]);
    expect(() => nextSnapshot(snapshot, same, next)).toThrow(code('tuf/version'));
  });
});

describe('ten thousand targets in a role', () => {
  const { key, keyId, sign } = sampleKey();
  const trust = { keyids: [keyId], threshold: 1, keys: { [keyId]: key } };

  /** Milliseconds to edit, sign, encode, read, verify and lint a role of this size. */
  function timeOf(count: number): number {
    const entry = fileOf('x');
    const names = Array.from({ length: count }, (_, index) => `aws-x86_64-1.0.${index}-root`);
    const files = Object.fromEntries(names.map((name) => [name, entry]));
    const begin = performance.now();
    const metadata = addTargets(newTargets(EDITION), files);
    const signed = nextEdition(addTargets(metadata, { 'aws-x86_64-2.0.0-root': entry }), {
      ...EDITION,
      version: 2,
    });
    const bytes = encodeEnvelope({ signed, signatures: [sign(signed)] });
    const read = parseTargets(bytes, 'role.json');
    verifySignatures('role.json', read, trust);
    const sample = sampleMetadata();
    const delegated = new Map([...sample.delegated, ['releases-aws-x86_64', read.signed] as const]);
    lint({ ...sample, delegated });
    const time = performance.now() - begin;
    expect(Object.keys(read.signed.targets)).toHaveLength(count + 1);
    expect(contentOf(canonicalBytes(read.signed))).toEqual(contentOf(canonicalBytes(signed)));
    return time;
  }

  it('cost about ten times what a thousand do, not a hundred times', () => {
    timeOf(1_000);
    const few = Math.min(timeOf(1_000), timeOf(1_000), timeOf(1_000));
    const many = Math.min(timeOf(10_000), timeOf(10_000));
    expect(many / few).toBeLessThan(40);
  });
});
