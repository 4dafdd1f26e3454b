import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import {
  addTargets,
  metaFile,
  newRoot,
  newSnapshot,
  newTargets,
  newTimestamp,
} from '../../core/tuf/edit.ts';
import { canonicalBytes } from '../../core/tuf/canonical.ts';
import { keyId, keyOf } from '../../core/tuf/keys.ts';
import type { Key } from '../../core/tuf/keys.ts';
import type { Metadata, Signature, TargetFile } from '../../core/tuf/metadata.ts';
import type { RepositoryMetadata } from '../../core/tuf/repository-metadata.ts';

export type SampleKey = {
  readonly key: Key;
  readonly keyId: string;
  readonly sign: (signed: Metadata) => Signature;
};

export function sampleKey(): SampleKey {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const key = keyOf(publicKey);
  const keyid = keyId(key);
  return {
    key,
    keyId: keyid,
    sign: (signed) => ({
      keyid,
      sig: sign(null, canonicalBytes(signed), privateKey).toString('hex'),
    }),
  };
}

export const EDITION = { version: 1, expires: '2040-01-01T00:00:00Z' };

export function fileOf(text: string): TargetFile {
  const sha256 = createHash('sha256').update(text).digest('hex');
  return { length: text.length, hashes: { sha256 } };
}

/** Metadata of a whole repository, unsigned: rollouts, and one variant with one release. */
export function sampleMetadata(): RepositoryMetadata {
  const [root, targets, online, release] = [1, 2, 3, 4].map(() => ({
    keys: [sampleKey().key],
    threshold: 1,
  }));
  if (root === undefined || targets === undefined) throw new Error('unreachable');
  if (online === undefined || release === undefined) throw new Error('unreachable');
  const empty = newTargets(EDITION);
  const meta = metaFile(1, fileOf('metadata'));
  const releases = 'releases-aws-x86_64';
  return {
    root: newRoot({ root, targets, snapshot: online, timestamp: online }, EDITION),
    targets: newTargets(EDITION, [
      { ...online, name: 'rollouts', paths: ['manifest.json'] },
      { ...release, name: releases, paths: ['aws-x86_64-*'] },
    ]),
    delegated: new Map([
      ['rollouts', addTargets(empty, { 'manifest.json': fileOf('manifest') })],
      [
        releases,
        addTargets(empty, {
          'aws-x86_64-1.0.0-root': fileOf('root'),
          'aws-x86_64-1.0.0-release.json': fileOf('document'),
        }),
      ],
    ]),
    snapshot: newSnapshot(
      new Map(['targets', 'rollouts', releases].map((role) => [role, meta])),
      EDITION,
    ),
    timestamp: newTimestamp(meta, EDITION),
  };
}
