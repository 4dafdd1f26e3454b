import { describe, expect, it } from '@jest/globals';
import { addTargets } from '../../../core/tuf/edit.ts';
import type { RepositoryMetadata } from '../../../core/tuf/repository-metadata.ts';
import {
  findTarget,
  publishedReleases,
  roleExpiries,
  trustIn,
} from '../../../core/tuf/repository-metadata.ts';
import { fileOf, sampleMetadata } from '../../support/tuf-samples.ts';

const metadata = sampleMetadata();
const RELEASES = 'releases-aws-x86_64';

function withFile(role: string, name: string): RepositoryMetadata {
  const delegated = [...metadata.delegated].map(
    ([key, value]) =>
      [key, key === role ? addTargets(value, { [name]: fileOf('other') }) : value] as const,
  );
  return { ...metadata, delegated: new Map(delegated) };
}

describe('findTarget', () => {
  it('finds a file in the role that its name is delegated to', () => {
    expect(findTarget(metadata, 'manifest.json')).toMatchObject({ role: 'rollouts', length: 8 });
    expect(findTarget(metadata, 'aws-x86_64-1.0.0-root')).toMatchObject({ role: RELEASES });
  });

  it.each(['aws-x86_64-9.0.0-root', 'metal', '', 'toString', '__proto__'])(
    'finds nothing under %p',
    (name) => {
      expect(findTarget(metadata, name)).toBeNull();
    },
  );

  it('does not believe a role beyond its names', () => {
    expect(
      findTarget(withFile(RELEASES, 'metal-x86_64-1.0.0-root'), 'metal-x86_64-1.0.0-root'),
    ).toBeNull();
    const forged = withFile('rollouts', 'aws-x86_64-9.0.0-root');
    expect(findTarget(forged, 'aws-x86_64-9.0.0-root')).toBeNull();
  });

  it('ends at a terminating role, and goes on behind another', () => {
    const delegations = metadata.targets.delegations ?? { keys: {}, roles: [] };
    const reorder = (terminating: boolean): RepositoryMetadata => {
      const roles = delegations.roles.map((role) =>
        role.name === 'rollouts' ? { ...role, paths: ['aws-*'], terminating } : role,
      );
      return {
        ...metadata,
        targets: { ...metadata.targets, delegations: { ...delegations, roles } },
      };
    };
    expect(findTarget(reorder(true), 'aws-x86_64-1.0.0-root')).toBeNull();
    expect(findTarget(reorder(false), 'aws-x86_64-1.0.0-root')?.role).toBe(RELEASES);
  });
});

describe('publishedReleases', () => {
  it('lists releases by their documents', () => {
    const document = 'aws-x86_64-1.0.0-release.json';
    expect(publishedReleases(metadata)).toEqual([
      { variant: 'aws', arch: 'x86_64', version: '1.0.0', document },
    ]);
  });

  it.each(['metal-x86_64-1.0.0-release.json', 'aws-x86_64-latest-release.json'])(
    'leaves out %p, which no host would take for a release of this role',
    (name) => {
      expect(publishedReleases(withFile(RELEASES, name))).toHaveLength(1);
    },
  );
});

describe('roleExpiries', () => {
  it('tells for each role whether it has expired', () => {
    const later = { ...metadata, root: { ...metadata.root, expires: '2041-01-01T00:00:00Z' } };
    const expiries = roleExpiries(later, new Date('2040-06-01T00:00:00Z'));
    expect(expiries.map(({ role, isExpired }) => [role, isExpired])).toEqual([
      ['root', false],
      ['targets', true],
      ['rollouts', true],
      [RELEASES, true],
      ['snapshot', true],
      ['timestamp', true],
    ]);
  });
});

describe('trustIn', () => {
  it('gives the keys of top-level and delegated roles, and none for strangers', () => {
    expect(trustIn(metadata, 'snapshot')?.keyids).toEqual(metadata.root.roles.snapshot.keyids);
    const [, releases] = metadata.targets.delegations?.roles ?? [];
    expect(trustIn(metadata, RELEASES)?.keyids).toEqual(releases?.keyids);
    expect(trustIn(metadata, 'releases-metal-x86_64')).toBeNull();
  });
});
