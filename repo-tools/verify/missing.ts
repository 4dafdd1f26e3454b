import { objectOf } from '../../core/tuf/lint/raw.ts';
import type { RawRepository } from '../../core/tuf/lint/raw.ts';
import { errorIn, warningIn } from './finding.ts';
import type { Finding } from './finding.ts';
import type { ObservedRepository } from './observed.ts';

/** A snapshot with more names is a finding of lint's. */
const MAX_NAMES = 1024;

/** Every file that the timestamp and the snapshot name, and that is not there under its name with the version. */
export async function missingFindings(
  repository: RawRepository,
  observed: ObservedRepository,
): Promise<readonly Finding[]> {
  const asked = repository.missing.map((name) => {
    const sight = observed.seen.get(`metadata/${name}`);
    return sight?.kind === 'failed'
      ? errorIn('transport', name, sight.what)
      : errorIn('missing-metadata', name, 'is named by signed metadata and not there');
  });
  const unasked: Finding[] = [];
  for (const name of namesOfNobody(repository)) {
    const read = await observed.read(`metadata/${name}`);
    if (read.kind === 'found') continue;
    // No host asks for a role that nobody delegates to.
    unasked.push(
      read.kind === 'failed'
        ? warningIn('transport', name, read.what)
        : warningIn(
            'missing-metadata',
            name,
            'is named by the snapshot and not there, but no role delegates to it',
          ),
    );
  }
  return [...asked, ...unasked];
}

function namesOfNobody({ snapshot, delegated, missing }: RawRepository): readonly string[] {
  return Object.entries(objectOf(objectOf(snapshot?.signed)['meta']))
    .slice(0, MAX_NAMES)
    .flatMap(([file, raw]) => {
      const role = file.replace(/\.json$/, '');
      const { version } = objectOf(raw);
      if (role === 'targets' || delegated.has(role) || typeof version !== 'number') return [];
      const name = `${version}.${encodeURIComponent(role)}.json`;
      return missing.includes(name) ? [] : [name];
    });
}
