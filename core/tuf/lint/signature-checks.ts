import { CLIENTS } from './check.ts';
import type { LintCheck, Place } from './check.ts';
import type { Facts } from './facts.ts';
import { show } from './raw.ts';
import type { JudgedFile, JudgedSignature } from './signatures.ts';

/** Who signed what, and in which encoding. Silent about metadata that is not signed yet. */
export const SIGNATURE_CHECKS: readonly LintCheck[] = [
  {
    name: 'signatures',
    severity: 'error',
    reason: 'fewer keys signed than the threshold of the role, or of the root before it, asks for',
    clients: CLIENTS,
    find: ({ judged }) =>
      judged.flatMap(({ document, thresholds }) =>
        thresholds
          .filter(({ signed, needed }) => signed !== null && signed < needed)
          .map(({ signed, needed }) => ({
            where: document.where,
            what: `signed by ${signed} keys, must be ${needed}`,
          })),
      ),
  },
  {
    name: 'pss-salt',
    severity: 'error',
    reason: 'tough verifies RSA-PSS only with a salt as long as the digest',
    clients: ['tough', 'updog', 'tidegate'],
    find: bySignature(({ verdict }) => verdict === 'salt'),
  },
  {
    name: 'ecdsa-der',
    severity: 'error',
    reason: 'clients read ECDSA signatures in DER, not as two bare numbers',
    clients: CLIENTS,
    find: bySignature(({ verdict }) => verdict === 'p1363'),
  },
  {
    name: 'signature-hex',
    severity: 'error',
    reason: 'signatures are lower-case hex; our agent and tools count no other',
    clients: ['tidegate'],
    find: bySignature(
      ({ sig, verdict }) =>
        verdict !== null && verdict !== 'bad' && !/^(?:[0-9a-f]{2})+$/.test(sig),
    ),
  },
  {
    name: 'signature-ids',
    severity: 'error',
    reason: 'python-tuf, tuf-js and our tools refuse a file with two signatures of one key id',
    clients: ['python-tuf', 'tuf-js', 'tidegate'],
    find: ({ judged }) =>
      judged.flatMap(({ document, signatures }) =>
        signatures
          .map(({ keyId }) => keyId)
          .filter((keyId, index, all) => all.indexOf(keyId) < index)
          .map((keyId) => ({ where: document.where, what: show(keyId) })),
      ),
  },
  {
    name: 'broken-signatures',
    severity: 'warning',
    reason: 'a signature that does not verify counts for nothing: somebody signed other bytes',
    clients: [],
    // Where it costs the threshold, that is the finding.
    find: bySignature(
      ({ verdict }, { thresholds }) =>
        verdict === 'bad' &&
        thresholds.every(({ signed, needed }) => signed === null || signed >= needed),
    ),
  },
  {
    name: 'strange-signatures',
    severity: 'warning',
    reason: 'a signature of a key that may not sign the role counts for nothing',
    clients: [],
    find: bySignature(({ verdict }) => verdict === null),
  },
];

function bySignature(isFound: (signature: JudgedSignature, file: JudgedFile) => boolean) {
  return ({ judged }: Facts): readonly Place[] =>
    judged.flatMap((file) =>
      file.signatures
        .filter((signature) => isFound(signature, file))
        .map(({ keyId }) => ({ where: file.document.where, what: `by ${show(keyId)}` })),
    );
}
