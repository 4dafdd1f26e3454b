import { metadataObject } from '../../adapters/repository/objects.ts';
import { MAX_ROOT_ROTATIONS } from '../../core/tuf/lint/file-checks.ts';
import { objectOf, rawFile } from '../../core/tuf/lint/raw.ts';
import type { RawFile } from '../../core/tuf/lint/raw.ts';
import { errorIn } from './finding.ts';
import type { Finding } from './finding.ts';
import type { ObservedRepository, Read } from './observed.ts';

export type Roots = {
  /** From the first one on, without a gap. */
  readonly files: readonly RawFile[];
  readonly findings: readonly Finding[];
  /** The object after the last root, which hosts ask for and must not find. */
  readonly end: string;
};

/** How far behind the end of the chain a lost root is looked for. */
const GAP = 3;

/** Reads the roots from the first to the last, and how the one after the last is answered. */
export async function readRoots(observed: ObservedRepository): Promise<Roots> {
  const files: RawFile[] = [];
  // One more than lint allows, so that lint can say it.
  while (files.length <= MAX_ROOT_ROTATIONS + 1) {
    const version = files.length + 1;
    const read = await observed.read(metadataObject('root', version));
    const file = read.kind === 'found' ? rawFile('root', `${version}.root.json`, read.bytes) : null;
    if (file === null || objectOf(file.signed)['_type'] !== 'root') {
      const findings = [
        ...(version === 1 ? [faultOfFirst(read)] : faultsOfEnd(`${version}.root.json`, read)),
        ...(read.kind === 'absent' ? await gapAt(observed, version) : []),
      ];
      return { files, findings, end: metadataObject('root', version) };
    }
    files.push(file);
  }
  return { files, findings: [], end: metadataObject('root', files.length + 1) };
}

function faultOfFirst(read: Read): Finding {
  const name = '1.root.json';
  switch (read.kind) {
    case 'found':
      return errorIn('root', name, 'is no root metadata');
    case 'absent':
      return errorIn('root', name, 'is not there: no host can start here');
    case 'failed':
      return errorIn('transport', name, read.what);
  }
}

/** TUF 5.3.3: the chain ends where nothing is. tuf-js, python-tuf and go-tuf ask for 403 or 404. */
function faultsOfEnd(name: string, read: Read): readonly Finding[] {
  const rule = 'must be answered with 404 or 403, so that hosts know the last root';
  switch (read.kind) {
    case 'found':
      return [errorIn('metadata', name, `${rule}; something that is no root is there`)];
    case 'absent':
      return read.status === 410 ? [errorIn('transport', name, `${rule}, got 410`)] : [];
    case 'failed':
      return [errorIn('transport', name, `${rule}: ${read.what}`)];
  }
}

/** A root that is lost cuts off all hosts that trust an older one, although the chain seems to end properly. */
async function gapAt(observed: ObservedRepository, lost: number): Promise<readonly Finding[]> {
  for (let version = lost + 1; version <= lost + GAP; version += 1) {
    if ((await observed.read(metadataObject('root', version))).kind === 'found') {
      const what = `is not there, but ${version}.root.json is: no host gets past the gap`;
      return [errorIn('missing-metadata', `${lost}.root.json`, what)];
    }
  }
  return [];
}
