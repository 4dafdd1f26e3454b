import { readRawRepository } from '../../adapters/repository/read-raw.ts';
import { RepositoryError } from '../../adapters/repository/errors.ts';
import type { Storage } from '../../adapters/storage/storage.ts';
import { listOf, objectOf, own } from '../../core/tuf/lint/raw.ts';
import type { JsonObject, RawFile, RawRepository } from '../../core/tuf/lint/raw.ts';
import { errorIn } from './finding.ts';
import type { Finding } from './finding.ts';
import type { ObservedRepository } from './observed.ts';

/** The metadata of a copy that is trusted; null if there is no whole one. */
export async function readCopy(storage: Storage): Promise<RawRepository | null> {
  try {
    const copy = await readRawRepository(storage, { root: null });
    return isWhole(copy) ? copy : null;
  } catch (error) {
    if (error instanceof RepositoryError && error.code === 'repository/not-there') return null;
    throw error;
  }
}

/** What hosts that saw the copy would refuse, or should: metadata that went back, was changed, or is named no more. */
export async function rollbackFindings(
  copy: RawRepository,
  current: RawRepository | null,
  observed: ObservedRepository,
): Promise<readonly Finding[]> {
  return [
    ...(await changedFiles(copy, observed)),
    ...(current === null ? [] : [...timestampBack(copy, current), ...snapshotBack(copy, current)]),
  ];
}

function isWhole({ timestamp, snapshot, targets, missing }: RawRepository): boolean {
  const files = [timestamp, snapshot, targets];
  return missing.length === 0 && files.every((file) => file?.signed !== undefined);
}

/** A name with a version has one content for ever; and TUF needs every root for ever. */
async function changedFiles(
  { roots, snapshot, targets, delegated }: RawRepository,
  observed: ObservedRepository,
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const file of [...roots, snapshot, targets, ...delegated.values()]) {
    if (file === null || file.bytes === null || !/^\d+\./.test(file.name)) continue;
    const read = await observed.read(`metadata/${file.name}`);
    if (read.kind === 'absent' && file.role === 'root') {
      findings.push(errorIn('rollback', file.name, 'is in the trusted copy and no longer there'));
    }
    if (read.kind === 'found' && Buffer.compare(read.bytes, file.bytes) !== 0) {
      findings.push(errorIn('rollback', file.name, 'is not what it is in the trusted copy'));
    }
  }
  return findings;
}

/** TUF 5.4.3: neither the timestamp nor the snapshot that it names may go back. */
function timestampBack(copy: RawRepository, current: RawRepository): readonly Finding[] {
  const [before, after] = [copy.timestamp, current.timestamp];
  if (before === null || after === null || isForgotten(before, current)) return [];
  const isSame = versionOf(before.signed) === versionOf(after.signed);
  const isChanged =
    isSame && Buffer.compare(before.bytes ?? Buffer.of(), after.bytes ?? Buffer.of());
  return [
    ...wentBack('timestamp', versionOf(before.signed), versionOf(after.signed)),
    ...(isChanged
      ? [errorIn('rollback', 'timestamp', 'has the version of the trusted copy and other content')]
      : []),
    ...wentBack('snapshot', versionIn(before, 'snapshot.json'), versionIn(after, 'snapshot.json')),
  ];
}

/** TUF 5.5.5: every file that a snapshot named stays in it, and goes forward only. */
function snapshotBack(copy: RawRepository, current: RawRepository): readonly Finding[] {
  const [before, after] = [copy.snapshot, current.snapshot];
  if (before === null || after === null || isForgotten(before, current)) return [];
  return Object.keys(metaOf(before)).flatMap((name) => {
    const role = name.replace(/\.json$/, '');
    if (own(metaOf(after), name) === undefined) {
      return [errorIn('rollback', role, 'the snapshot of the trusted copy names it, this one not')];
    }
    return wentBack(role, versionIn(before, name), versionIn(after, name));
  });
}

function wentBack(where: string, before: number | null, after: number | null): readonly Finding[] {
  if (before === null || after === null || after >= before) return [];
  return [errorIn('rollback', where, `went back from version ${before} to ${after}`)];
}

/**
 * TUF 5.3.11: after a change of the timestamp and snapshot keys versions may start again. Clients forget what the new keys do
 * not verify, so that a key which stays and signed before still holds the new metadata to the old.
 */
function isForgotten(file: RawFile, { roots }: RawRepository): boolean {
  const roles = objectOf(objectOf(roots.at(-1)?.signed)['roles']);
  const { keyids, threshold } = objectOf(own(roles, file.role));
  const signedBy = listOf(file.signatures).map((signature) => objectOf(signature)['keyid']);
  const kept = new Set(signedBy.filter((keyId) => listOf(keyids).includes(keyId)));
  return kept.size < (typeof threshold === 'number' ? threshold : 1);
}

function metaOf({ signed }: RawFile): JsonObject {
  return objectOf(objectOf(signed)['meta']);
}

function versionIn(file: RawFile, name: string): number | null {
  return versionOf(own(metaOf(file), name));
}

function versionOf(value: unknown): number | null {
  const { version } = objectOf(value);
  return typeof version === 'number' ? version : null;
}
