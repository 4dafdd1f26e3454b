import { Command } from 'commander';
import { openRepository } from '../../adapters/repository/repository.ts';
import { readRelease } from '../../adapters/repository/releases.ts';
import type { ReleaseName } from '../../adapters/repository/releases.ts';
import type { Repository, RepositoryState } from '../../adapters/repository/repository.ts';
import { readRollouts } from '../../adapters/repository/rollouts.ts';
import type { Io } from '../../adapters/terminal/io.ts';
import { formatBytes } from '../../adapters/terminal/progress.ts';
import { parseProvenance } from '../../core/provenance.ts';
import type { Provenance } from '../../core/provenance.ts';
import type { Release } from '../../core/release.ts';
import { releaseJson } from '../../core/release-view.ts';
import type { ReleaseView } from '../../core/release-view.ts';
import { releasesRole } from '../../core/tuf/names.ts';
import { trustIn } from '../../core/tuf/repository-metadata.ts';
import { signersOf, verifyContent } from '../../core/tuf/verify.ts';
import { openStorageFor } from '../open-storage.ts';
import { readAmendments } from '../release-history.ts';
import type { AmendmentRecord } from '../release-history.ts';
import { listedRelease } from '../releases.ts';
import { print } from '../usage.ts';
import { rolloutLines, termChangeLine, withdrawnLines } from './release-text.ts';

type Options = ReleaseName & { readonly json?: boolean };

type Signatures = {
  readonly role: string;
  readonly version: number;
  readonly threshold: number;
  readonly signedBy: readonly string[];
};

export function releaseShowCommand(io: Io): Command {
  return new Command('show')
    .description('a release document in words, who signed it, and what rollouts do with it')
    .argument('<storage>', 'file:FOLDER, s3://BUCKET/PREFIX or http(s)://HOST/PATH')
    .requiredOption('--variant <name>', 'variant of the release')
    .requiredOption('--arch <name>', 'arch of the release')
    .requiredOption('--version <version>', 'version of the release')
    .option('--json', 'print the result as one line of JSON')
    .addHelpText(
      'after',
      '\nExample:\n  tidegate release show file:repo --variant aws-k8s-1.32 --arch x86_64 --version 1.1.0',
    )
    .action((storage: string, options: Options) => show(io, storage, options));
}

async function show(io: Io, url: string, options: Options): Promise<void> {
  await using storage = await openStorageFor(io, url, 'read');
  const repository = openRepository({ storage, now: io.now });
  const state = await repository.load();
  const release = await readRelease(repository, state, options);
  const rollouts = await readRollouts(repository, state);
  const view = listedRelease(state, { release, rollouts, now: io.now() });
  const signatures = signaturesOf(state, release);
  const provenance = await readProvenance(repository, state, release);
  const amendments = await readAmendments(storage, release);
  const json = { ...releaseJson(view), terms: release, amendments, signatures, provenance };
  print(io, options.json, json, [
    ...documentLines(view),
    ...amendmentLines(amendments),
    ...signatureLines(signatures),
    ...provenanceLines(release, provenance),
    ...rolloutLines(view),
  ]);
}

function signaturesOf(state: RepositoryState, release: Release): Signatures {
  const role = releasesRole(release);
  const trust = trustIn(state, role);
  const file = state.files.get(role);
  return {
    role,
    version: file?.signed.version ?? 0,
    threshold: trust?.threshold ?? 0,
    signedBy: trust === null || file === undefined ? [] : signersOf(file, trust),
  };
}

/** The statement that the document binds; its hash there counts, whatever the role lists. */
async function readProvenance(
  repository: Repository,
  state: RepositoryState,
  { provenance }: Release,
): Promise<Provenance | null> {
  if (provenance === undefined) return null;
  const { target, length, sha256 } = provenance;
  const bytes = await repository.readTarget(state, target);
  verifyContent(target, { length, hashes: { sha256 } }, bytes);
  return parseProvenance(bytes);
}

function documentLines({ release, document, images }: ReleaseView): readonly string[] {
  const { variant, arch, version, createdAt, minimumFrom, rollbackTo } = release;
  const { verity, migrations, notes } = release;
  return [
    `release ${version} of ${variant} ${arch}, created ${createdAt}`,
    `document ${document.target}, SHA-256 ${document.sha256}`,
    ...Object.entries(release.images).flatMap(([image, { target, format, size, sha256 }]) => {
      const stored = images[image] ?? null;
      return [
        `image ${image}: ${target}`,
        stored === null
          ? '  stored: the role does not list it, so no host can fetch it'
          : `  stored: ${formatBytes(stored.length)} as ${format}, SHA-256 ${stored.sha256}`,
        `  raw: ${formatBytes(size)}, SHA-256 ${sha256}`,
      ];
    }),
    verity === null
      ? 'dm-verity: none'
      : `dm-verity: image ${verity.hashImage} holds the tree of image ${verity.image}, root hash ${verity.rootHash}`,
    minimumFrom === null
      ? 'hosts of any older version may update to it'
      : `hosts below ${minimumFrom} must step through an earlier release`,
    rollbackTo.length === 0
      ? 'hosts on it may not be sent back'
      : `hosts on it may be sent back to ${rollbackTo.join(', ')}`,
    ...(migrations.length === 0 ? [] : [`migrations: ${migrations.join(', ')}`]),
    `notes: ${notes ?? 'none'}`,
    ...withdrawnLines(release),
  ];
}

function amendmentLines(amendments: readonly AmendmentRecord[]): readonly string[] {
  return amendments.flatMap(({ at, by, reason, before, changes }) => [
    `amended ${at} by ${by}: ${reason} (document before: SHA-256 ${before})`,
    ...(changes === null
      ? ['  what it changed is not in this storage']
      : changes.map((change) => `  ${termChangeLine(change)}`)),
  ]);
}

function signatureLines(signatures: Signatures): readonly string[] {
  const { role, version, threshold, signedBy } = signatures;
  return [
    `signed in version ${version} of role ${role}, which needs ${threshold} of its keys, by`,
    ...signedBy.map((keyId) => `  ${keyId}`),
  ];
}

function provenanceLines(release: Release, provenance: Provenance | null): readonly string[] {
  if (provenance === null) return ['provenance: none'];
  const { predicateType, builderId, buildType, source, subjects } = provenance;
  const digests = (of: Readonly<Record<string, string>>) =>
    Object.entries(of)
      .map(([algorithm, hex]) => `${algorithm} ${hex}`)
      .join(', ');
  return [
    `provenance: ${release.provenance?.target ?? ''}, ${predicateType}; the signatures in it are not checked`,
    ...(builderId === null ? [] : [`  built by ${builderId}`]),
    ...(buildType === null ? [] : [`  build type ${buildType}`]),
    ...(source === null ? [] : [`  from ${source.uri} (${digests(source.digest)})`]),
    ...subjects.map(({ name, digest }) => `  about ${name ?? 'a file'}: ${digests(digest)}`),
  ];
}
