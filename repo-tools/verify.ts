import { readRawRepository } from '../adapters/repository/read-raw.ts';
import { RepositoryError } from '../adapters/repository/errors.ts';
import type { Storage } from '../adapters/storage/storage.ts';
import { lintRaw } from '../core/tuf/lint.ts';
import { factsOf } from '../core/tuf/lint/facts.ts';
import { objectOf } from '../core/tuf/lint/raw.ts';
import type { RawFile, RawRepository } from '../core/tuf/lint/raw.ts';
import type { ProgressListener } from './upload-images.ts';
import { bySeriousness, errorIn } from './verify/finding.ts';
import type { Finding } from './verify/finding.ts';
import { followFromEach } from './verify/follow.ts';
import { headerFindings, rangeFindings } from './verify/headers.ts';
import { findingsOfLint } from './verify/lint-findings.ts';
import { missingFindings } from './verify/missing.ts';
import { ObservedRepository } from './verify/observed.ts';
import { readRoots } from './verify/roots.ts';
import { saveCopy } from './verify/save.ts';
import { rollbackFindings } from './verify/since.ts';
import { checkTarget, listedTargets } from './verify/targets.ts';
import type { ListedTarget, TargetFailure } from './verify/targets.ts';

export type VerifiedRole = {
  readonly role: string;
  readonly version: number | null;
  readonly expires: string | null;
  readonly targets: number;
};

export type VerifyReport = {
  /** How many roots are readable without a gap; every one was a starting point. */
  readonly roots: number;
  readonly roles: readonly VerifiedRole[];
  readonly targets: number;
  readonly bytes: number;
  /** False if only the metadata was looked at. */
  readonly areTargetsChecked: boolean;
  /** Listed targets that a host could not get as they are listed, with the reason. */
  readonly failures: readonly { readonly target: string; readonly reason: string }[];
  /** The most serious first; failures are among them. */
  readonly findings: readonly Finding[];
  /** Whether the metadata is sound, and so was kept where it was asked for. */
  readonly isSaved: boolean;
};

export type VerifyOptions = {
  readonly now: Date;
  readonly listener: ProgressListener;
  /** What expires within so long is an error. */
  readonly horizonMs: number;
  readonly metadataOnly: boolean;
  /** Whether rules of the profile that keep only some clients from reading count. */
  readonly profile: boolean;
  /** What is trusted from before; null if there is nothing to compare with. */
  readonly since: RawRepository | null;
  /** Where sound metadata is kept for the next time, or null. */
  readonly save: Storage | null;
};

/**
 * Reads the repository from outside, as hosts do: tuf-js follows it from every root that there is, every name that metadata
 * names is asked for, and every listed target is fetched whole and compared. What is wrong, also a storage that does not
 * answer, is a finding.
 */
export async function verifyRepository(
  storage: Storage,
  { now, listener, horizonMs, metadataOnly, profile, since, save }: VerifyOptions,
): Promise<VerifyReport> {
  const observed = new ObservedRepository(storage);
  const roots = await readRoots(observed);
  const raw = await readAll(observed);
  const clock = { now, horizonMs };
  const facts = raw === null ? null : factsOf(raw, clock);
  const followed = await followFromEach(roots.files, {
    storage: observed.asStorage('unavailable'),
    now,
    delegations: facts?.delegations ?? [],
  });
  const linted = raw === null ? [] : findingsOfLint(lintRaw(raw, clock));
  const isConsistent = objectOf(roots.files.at(-1)?.signed)['consistent_snapshot'] !== false;
  const listed = listedTargets(facts?.targets ?? [], { isConsistent });
  const failures = metadataOnly ? [] : await checkTargets(observed, listed, listener);
  const largest = listed.toSorted((a, b) => b.length - a.length)[0]?.object;
  const inMetadata = [
    ...roots.findings,
    ...followed,
    ...(since === null ? [] : await rollbackFindings(since, raw, observed)),
    ...(raw === null ? [] : await missingFindings(raw, observed)),
    ...linted.filter(({ kind }) => profile || kind !== 'profile'),
  ];
  const findings = [
    ...inMetadata,
    ...failures.map(({ kind, target, reason }) => errorIn(kind, target, reason)),
    ...headerFindings(observed, roots.end),
    ...(metadataOnly ? [] : await rangeFindings(observed, largest)),
  ];
  const isSaved = save !== null && raw !== null && inMetadata.every(isHarmless);
  if (isSaved) await saveCopy(save, raw);
  return {
    roots: roots.files.length,
    roles: raw === null ? [] : [raw.targets, ...raw.delegated.values()].flatMap(roleOf),
    targets: listed.length,
    bytes: listed.reduce((sum, { length }) => sum + length, 0),
    areTargetsChecked: !metadataOnly,
    failures: failures.map(({ target, reason }) => ({ target, reason })),
    findings: bySeriousness(findings),
    isSaved,
  };
}

/** Whether hosts trust the metadata nevertheless. */
function isHarmless({ kind, severity }: Finding): boolean {
  return severity === 'warning' || kind === 'profile' || kind === 'expires-soon';
}

/** All metadata that can be read; null where there is no root to begin with, which the roots' findings tell. */
async function readAll(observed: ObservedRepository): Promise<RawRepository | null> {
  try {
    return await readRawRepository(observed.asStorage('not-there'), { root: null });
  } catch (error) {
    if (error instanceof RepositoryError && error.code === 'repository/not-there') return null;
    throw error;
  }
}

async function checkTargets(
  observed: ObservedRepository,
  listed: readonly ListedTarget[],
  listener: ProgressListener,
): Promise<readonly TargetFailure[]> {
  const bytes = listed.reduce((sum, { length }) => sum + length, 0);
  const progress = listener.begin(`verify ${listed.length} targets`, bytes);
  const failures: TargetFailure[] = [];
  try {
    for (const target of listed) {
      const failure = await checkTarget(observed, target, (count) => progress.advance(count));
      if (failure !== null) failures.push(failure);
    }
  } finally {
    progress.end();
  }
  return failures;
}

function roleOf(file: RawFile | null): readonly VerifiedRole[] {
  if (file === null) return [];
  const { version, expires, targets } = objectOf(file.signed);
  return [
    {
      role: file.role,
      version: typeof version === 'number' ? version : null,
      expires: typeof expires === 'string' ? expires : null,
      targets: Object.keys(objectOf(targets)).length,
    },
  ];
}
