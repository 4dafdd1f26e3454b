import { describe, expect, it } from '@jest/globals';
import { addDelegations, addTargets } from '../../../core/tuf/edit.ts';
import { assertProfile, lint } from '../../../core/tuf/lint.ts';
import type { DelegatedRole, TargetFile, TargetsMetadata } from '../../../core/tuf/metadata.ts';
import type { RepositoryMetadata } from '../../../core/tuf/repository-metadata.ts';
import { fileOf, sampleKey, sampleMetadata } from '../../support/tuf-samples.ts';

const good = sampleMetadata();
const RELEASES = 'releases-aws-x86_64';

function withRole(change: (role: TargetsMetadata) => TargetsMetadata): RepositoryMetadata {
  const delegated = [...good.delegated].map(
    ([name, role]) => [name, name === RELEASES ? change(role) : role] as const,
  );
  return { ...good, delegated: new Map(delegated) };
}
function withFile(name: string, file: TargetFile): RepositoryMetadata {
  return withRole((role) => ({ ...role, targets: { ...role.targets, [name]: file } }));
}
function withDelegation(change: Partial<DelegatedRole>): RepositoryMetadata {
  const delegations = good.targets.delegations ?? { keys: {}, roles: [] };
  const roles = delegations.roles.map((role) =>
    role.name === RELEASES ? { ...role, ...change } : role,
  );
  return { ...good, targets: { ...good.targets, delegations: { ...delegations, roles } } };
}
function withPlatform(variant: string, arch: string): RepositoryMetadata {
  const name = `releases-${variant}-${arch}`;
  const keys = [sampleKey().key];
  const paths = [`${variant}-${arch}-*`];
  const empty = { ...good.targets, targets: {} };
  const { delegations: _, ...role } = empty;
  const meta = { ...good.snapshot.meta, [`${name}.json`]: good.timestamp.meta['snapshot.json'] };
  return {
    ...good,
    targets: addDelegations(good.targets, [{ name, keys, paths, threshold: 1 }]),
    delegated: new Map([...good.delegated, [name, role]]),
    snapshot: { ...good.snapshot, meta },
  };
}

const NAME = 'aws-x86_64-1.0.0-hash';
const [rootId = ''] = good.root.roles.root.keyids;
const root = { ...good.root };
const BROKEN: readonly (readonly [string, RepositoryMetadata])[] = [
  ['consistent-snapshots', { ...good, root: { ...root, consistent_snapshot: false } }],
  ['spec-version', { ...good, snapshot: { ...good.snapshot, spec_version: '1.0.31' } }],
  ['whole-second-expiry', { ...good, root: { ...root, expires: '2040-01-01T00:00:00.000Z' } }],
  [
    'key-ids',
    { ...good, root: { ...root, keys: { ...root.keys, ['a'.repeat(64)]: sampleKey().key } } },
  ],
  ['thresholds', withDelegation({ threshold: 2 })],
  ['key-once', { ...good, root: { ...root, keys: { ...root.keys, ...copyOfRootKey() } } }],
  ['sha256-only', withFile(NAME, { length: 1, hashes: twoHashes() })],
  ['empty-custom', withFile(NAME, { ...fileOf('x'), custom: {} })],
  ['normal-text', withFile(NAME, { ...fileOf('x'), custom: { note: 'e\u0301' } })],
  ['role-names', withDelegation({ name: 'Releases' })],
  ['flat-target-names', withFile('aws-x86_64-a/b', fileOf('x'))],
  ['path-patterns', withDelegation({ paths: ['aws-*-x'] })],
  ['terminating', withDelegation({ terminating: false })],
  ['one-owner', withPlatform('aws-x86_64', 'aarch64')],
  ['delegated-names', withDelegation({ paths: ['aws-*'] })],
  ['delegated-names', withDelegation({ paths: ['aws-x86_64-*', 'manifest.json'] })],
  ['own-names', withFile('metal-x86_64-1.0.0-root', fileOf('x'))],
  ['delegations-only', { ...good, targets: addTargets(good.targets, { a: fileOf('x') }) }],
  ['one-level', withRole((role) => ({ ...role, delegations: deeper() }))],
  ['no-dangling-role', { ...good, delegated: new Map() }],
  ['no-dangling-role', { ...good, snapshot: { ...good.snapshot, meta: {} } }],
  ['target-count', withRole((role) => addTargets(role, manyFiles(501)))],
];

function twoHashes() {
  return { ...fileOf('x').hashes, sha512: 'ab'.repeat(64) };
}
function copyOfRootKey() {
  const key = good.root.keys[rootId];
  return key === undefined ? {} : { ['b'.repeat(64)]: key };
}
function manyFiles(count: number) {
  const names = Array.from({ length: count }, (_, index) => `aws-x86_64-2.0.${index}-root`);
  return Object.fromEntries(names.map((name) => [name, fileOf('x')]));
}

function deeper() {
  const role = {
    name: 'deeper',
    keyids: [],
    threshold: 1,
    terminating: true,
    paths: ['aws-x86_64-9*'],
  };
  return { keys: {}, roles: [role] };
}

// Every check has its broken repositories in test/repo-tools/lint.test.ts; here it is metadata that is not signed yet.
describe('lint', () => {
  it('finds nothing in a repository as we make it', () => {
    expect(lint(good)).toEqual([]);
    expect(lint(withPlatform('aws', 'aarch64'))).toEqual([]);
    // As tuftool writes it.
    expect(lint(withRole((role) => ({ ...role, delegations: { keys: {}, roles: [] } })))).toEqual(
      [],
    );
  });

  it.each(BROKEN)('finds what breaks %s', (check, metadata) => {
    expect(lint(metadata).map((finding) => finding.check)).toContain(check);
  });

  it('says what it found and why it matters', () => {
    expect(lint(withFile(NAME, { ...fileOf('x'), custom: {} }))).toEqual([
      {
        check: 'empty-custom',
        severity: 'error',
        where: RELEASES,
        what: `${NAME}: custom is {}`,
        reason: expect.stringContaining('tough'),
        clients: ['tough', 'updog'],
      },
    ]);
  });
});

describe('assertProfile', () => {
  it('passes what is good and refuses what is not', () => {
    assertProfile(good);
    for (const [, metadata] of BROKEN) {
      expect(() => {
        assertProfile(metadata);
      }).toThrow(expect.objectContaining({ code: 'tuf/profile' }));
    }
  });
});
