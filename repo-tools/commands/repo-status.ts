import { Command } from 'commander';
import { openRepository } from '../../adapters/repository/repository.ts';
import type { RepositoryState } from '../../adapters/repository/repository.ts';
import type { Io } from '../../adapters/terminal/io.ts';
import { formatDuration } from '../../core/duration.ts';
import { formatInstant } from '../../core/instant.ts';
import { releasesRole, versionOfImage } from '../../core/tuf/names.ts';
import { publishedReleases, roleExpiries, trustIn } from '../../core/tuf/repository-metadata.ts';
import type { PublishedRelease } from '../../core/tuf/repository-metadata.ts';
import { openStorageFor } from '../open-storage.ts';
import { print } from '../usage.ts';

type RoleStatus = {
  readonly role: string;
  readonly version: number;
  readonly expires: string;
  readonly isExpired: boolean;
  readonly threshold: number;
  readonly keys: readonly { readonly keyId: string; readonly type: string }[];
};

export function repoStatusCommand(io: Io): Command {
  return new Command('status')
    .description('roles, keys, thresholds, versions and expiries of a repository, and its releases')
    .argument('<storage>', 'file:FOLDER, s3://BUCKET/PREFIX or http(s)://HOST/PATH')
    .option('--json', 'print the result as one line of JSON')
    .addHelpText('after', '\nExample:\n  tidegate repo status file:repo')
    .action((storage: string, options: { readonly json?: boolean }) =>
      status(io, storage, options),
    );
}

async function status(io: Io, url: string, { json }: { readonly json?: boolean }): Promise<void> {
  await using storage = await openStorageFor(io, url, 'read');
  const state = await openRepository({ storage, now: io.now }).load();
  const now = io.now();
  const roles = rolesOf(state, now);
  const releases = publishedReleases(state).map((release) => ({
    ...release,
    isWithdrawn: isWithdrawn(state, release),
  }));
  print(io, json, { roles, releases }, [
    ...roles.flatMap((role) => roleLines(role, now)),
    ...(releases.length === 0 ? ['no release is published yet'] : []),
    ...releases.map(
      ({ variant, arch, version, isWithdrawn: isGone }) =>
        `release ${variant} ${arch} ${version}${isGone ? ' WITHDRAWN' : ''}`,
    ),
  ]);
}

/** The document stays, but no image is listed with it any more. */
function isWithdrawn({ delegated }: RepositoryState, release: PublishedRelease): boolean {
  const targets = delegated.get(releasesRole(release))?.targets ?? {};
  return !Object.keys(targets).some((name) => versionOfImage(release, name) === release.version);
}

function rolesOf(state: RepositoryState, now: Date): readonly RoleStatus[] {
  return roleExpiries(state, now).map(({ role, version, expires, isExpired }) => {
    const trust = trustIn(state, role);
    const keys = (trust?.keyids ?? []).map((keyId) => {
      const key = trust?.keys[keyId];
      return { keyId, type: key?.keytype ?? 'unknown' };
    });
    const threshold = trust?.threshold ?? 0;
    return { role, version, expires: formatInstant(expires), isExpired, threshold, keys };
  });
}

function roleLines(shown: RoleStatus, now: Date): readonly string[] {
  const { role, version, expires, isExpired, threshold, keys } = shown;
  const leftMs = new Date(expires).getTime() - now.getTime();
  const whole = (unitMs: number) => formatDuration(Math.floor(Math.abs(leftMs) / unitMs) * unitMs);
  const distance = Math.abs(leftMs) >= 172_800_000 ? whole(86_400_000) : whole(60_000);
  const when = isExpired ? `EXPIRED ${distance} ago` : `expires in ${distance}`;
  return [
    `${role}: version ${version}, ${when} (${expires}), ${threshold} of ${keys.length} keys must sign`,
    ...keys.map(({ keyId, type }) => `  ${type} ${keyId}`),
  ];
}
