import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { canonicalBytes } from '../../../core/tuf/canonical.ts';
import { keyId, keyOf } from '../../../core/tuf/keys.ts';
import type { Key } from '../../../core/tuf/keys.ts';
import {
  encodeEnvelope,
  parseRoot,
  parseSnapshot,
  parseTargets,
  parseTimestamp,
} from '../../../core/tuf/metadata.ts';
import type { ReadMetadata } from '../../../core/tuf/metadata.ts';
import { exampleSigner } from '../../support/example-keys.ts';
import { fileOf, sampleKey, sampleMetadata } from '../../support/tuf-samples.ts';

const sample = sampleMetadata();
const encode = (signed: unknown, signatures: unknown = []) =>
  new TextEncoder().encode(JSON.stringify({ signed, signatures }));

type Parse = (bytes: Uint8Array, file: string) => ReadMetadata<unknown>;

function expectRefused(parse: Parse, bytes: Uint8Array): void {
  expect(() => parse(bytes, 'file.json')).toThrow(expect.objectContaining({ code: 'tuf/format' }));
}

describe('encodeEnvelope', () => {
  it('writes what the parsers read, for every role', () => {
    const signature = sampleKey().sign(sample.root);
    const bytesOf = (signed: Parameters<typeof encodeEnvelope>[0]['signed']) =>
      encodeEnvelope({ signed, signatures: [signature] });
    expect(parseRoot(bytesOf(sample.root), '').signed).toEqual(sample.root);
    expect(parseTargets(bytesOf(sample.targets), '').signed).toEqual(sample.targets);
    expect(parseSnapshot(bytesOf(sample.snapshot), '').signed).toEqual(sample.snapshot);
    expect(parseTimestamp(bytesOf(sample.timestamp), '').signed).toEqual(sample.timestamp);
    expect(parseRoot(bytesOf(sample.root), '').signatures).toEqual([signature]);
  });

  it('writes the same bytes whatever the order of the fields', () => {
    const reversed = Object.fromEntries(Object.entries(sample.targets).toReversed());
    const { signed } = parseTargets(encode(reversed), '');
    expect(encodeEnvelope({ signed, signatures: [] })).toEqual(
      encodeEnvelope({ signed: sample.targets, signatures: [] }),
    );
  });

  it('writes JSON although PEM keys have line breaks, which canonical JSON leaves bare', async () => {
    await using signer = await exampleSigner('root3');
    const root = { ...sample.root, keys: { [signer.keyId]: signer.key } };
    const text = new TextDecoder().decode(encodeEnvelope({ signed: root, signatures: [] }));
    expect(JSON.parse(text)).toEqual({ signed: root, signatures: [] });
  });
});

describe('parsing', () => {
  it('keeps fields that it does not know where the specification lets them be, and their bytes', () => {
    const signed = { ...sample.targets, 'x-signing-period': 3, version: 7 };
    const read = parseTargets(encode(signed), '');
    expect(read.signed).toEqual(signed);
    expect(read.signedBytes).toEqual(canonicalBytes(signed));
  });

  it.each([
    ['nothing', ''],
    ['half a file', '{"signed":'],
    ['null', 'null'],
    ['a key that stands twice', '{"signed":{},"signed":{},"signatures":[]}'],
    ['a byte order mark', '\uFEFF{"signed":{},"signatures":[]}'],
    ['nesting without end', '['.repeat(100_000)],
    ['no signatures', JSON.stringify({ signed: sample.timestamp })],
  ])('refuses %s', (_, text) => {
    expectRefused(parseTimestamp, new TextEncoder().encode(text));
  });

  it('refuses two signatures of one key id', () => {
    const signature = { keyid: 'a'.repeat(64), sig: 'ab' };
    expectRefused(parseTimestamp, encode(sample.timestamp, [signature, signature]));
  });

  it('refuses every role in the place of every other', () => {
    const all: readonly (readonly [Parse, unknown])[] = [
      [parseRoot, sample.root],
      [parseTargets, sample.targets],
      [parseSnapshot, sample.snapshot],
      [parseTimestamp, sample.timestamp],
    ];
    for (const [parse, own] of all) {
      for (const [, signed] of all) {
        if (signed !== own) expectRefused(parse, encode(signed));
      }
    }
  });

  it.each([
    ['a version of zero', { version: 0 }],
    ['half a version', { version: 1.5 }],
    ['a version beyond exact numbers', { version: 2 ** 53 }],
    ['a version in text', { version: '1' }],
    ['a local time', { expires: '2040-01-01T00:00:00' }],
    ['a fraction without digits', { expires: '2040-01-01T00:00:00.Z' }],
    ['minutes only', { expires: '2040-01-01T00:00Z' }],
    ['an offset', { expires: '2040-01-01T00:00:00+00:00' }],
    ['a day that does not exist', { expires: '2040-02-30T00:00:00Z' }],
    ['another major version of TUF', { spec_version: '2.0.0' }],
    ['a fraction, which canonical JSON does not know', { extra: 0.5 }],
  ])('refuses %s', (_, change) => {
    expectRefused(parseTimestamp, encode({ ...sample.timestamp, ...change }));
  });

  it('reads fractions of a second, which tuftool writes', () => {
    const timestamp = { ...sample.timestamp, expires: '2040-01-01T00:00:00.936813246Z' };
    expect(parseTimestamp(encode(timestamp), '').signed).toEqual(timestamp);
  });

  const meta = sample.timestamp.meta['snapshot.json'];
  it.each([
    ['no length', { 'snapshot.json': { version: 1, hashes: meta.hashes } }],
    ['no hash', { 'snapshot.json': { version: 1, length: 1 } }],
    ['sha512 only', { 'snapshot.json': { ...meta, hashes: { sha512: 'ab'.repeat(64) } } }],
    ['another file', { 'snapshot.json': meta, 'targets.json': meta }],
    ['no snapshot', {}],
  ])('refuses a timestamp with %s', (_, change) => {
    expectRefused(parseTimestamp, encode({ ...sample.timestamp, meta: change }));
  });

  const ecdsa = keyOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey);
  const twice = (one: Key) => {
    const other: Key = { keytype: 'ecdsa', scheme: 'ecdsa-sha2-nistp256', keyval: one.keyval };
    return { [keyId(one)]: one, [keyId(other)]: other };
  };

  it('reads a key as tuftool writes it, whose signature is about those bytes', () => {
    const keyval = { public: ecdsa.keyval.public.trimEnd() };
    const foreign: Key = { keytype: 'ecdsa', scheme: 'ecdsa-sha2-nistp256', keyval };
    const root = { ...sample.root, keys: { ...sample.root.keys, [keyId(foreign)]: foreign } };
    const read = parseRoot(encode(root), '');
    expect(read.signed).toEqual(root);
    expect(read.signedBytes).toEqual(canonicalBytes(root));
  });

  it('refuses a snapshot without targets', () => {
    expectRefused(parseSnapshot, encode({ ...sample.snapshot, meta: {} }));
  });

  const key = sampleKey();
  const [rootId = ''] = sample.root.roles.root.keyids;
  it.each([
    ['a key under another id', { keys: { ...sample.root.keys, ['a'.repeat(64)]: key.key } }],
    [
      'a role with a key that is not there',
      { roles: { ...sample.root.roles, root: { keyids: [key.keyId], threshold: 1 } } },
    ],
    [
      'a key that counts twice',
      { roles: { ...sample.root.roles, root: { keyids: [rootId, rootId], threshold: 2 } } },
    ],
    [
      'a threshold out of reach',
      { roles: { ...sample.root.roles, root: { keyids: [rootId], threshold: 2 } } },
    ],
    [
      'a threshold of zero',
      { roles: { ...sample.root.roles, root: { keyids: [rootId], threshold: 0 } } },
    ],
    ['one key in two encodings', { keys: { ...sample.root.keys, ...twice(ecdsa) } }],
    ['a role too many', { roles: { ...sample.root.roles, mirrors: sample.root.roles.root } }],
  ])('refuses a root with %s', (_, change) => {
    expectRefused(parseRoot, encode({ ...sample.root, ...change }));
  });

  const delegations = sample.targets.delegations ?? { keys: {}, roles: [] };
  const [first] = delegations.roles;
  it.each([
    ['an extra field in delegations', { ...delegations, extra: 1 }],
    ['an extra field in a role', { ...delegations, roles: [{ ...first, extra: 1 }] }],
    ['two roles of one name', { ...delegations, roles: [first, first] }],
    ['hash prefixes', { ...delegations, roles: [{ ...first, path_hash_prefixes: ['00'] }] }],
    ['no paths', { ...delegations, roles: [{ ...first, paths: [] }] }],
    ['a glob in the middle', { ...delegations, roles: [{ ...first, paths: ['a*b'] }] }],
    ['the name of a top-level role', { ...delegations, roles: [{ ...first, name: 'root' }] }],
    ['a role name that climbs', { ...delegations, roles: [{ ...first, name: '../a' }] }],
    [
      'a key that is not there',
      { ...delegations, roles: [{ ...first, keyids: [keyId(key.key)] }] },
    ],
    [
      'a key under another id',
      { ...delegations, keys: { ...delegations.keys, ['b'.repeat(64)]: key.key } },
    ],
    ['succinct roles', { keys: {}, succinct_roles: {} }],
  ])('refuses delegations with %s', (_, change) => {
    expectRefused(parseTargets, encode({ ...sample.targets, delegations: change }));
  });

  it.each([
    ['a name in a folder', { 'a/b': fileOf('x') }],
    ['a name that climbs', { '../a': fileOf('x') }],
    ['a negative length', { a: { ...fileOf('x'), length: -1 } }],
    ['an upper-case hash', { a: { length: 1, hashes: { sha256: 'AB'.repeat(32) } } }],
    ['custom that is no object', { a: { ...fileOf('x'), custom: 'x' } }],
  ])('refuses targets with %s', (_, targets) => {
    expectRefused(parseTargets, encode({ ...sample.targets, targets }));
  });
});
