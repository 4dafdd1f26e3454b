import type { Change, RoleDiff } from './diff.ts';
import { MANIFEST_TARGET, platformOfRole, ROLLOUTS_ROLE } from './names.ts';

/** One difference in words, for a person who is about to sign it. */
export function wordsOf(change: Change): string {
  switch (change.kind) {
    case 'role-added':
      return 'is new';
    case 'signed-anew':
      return 'keeps its content and is signed anew';
    case 'expires':
      return `expires ${change.to} instead of ${change.from}`;
    case 'consistent-snapshot':
      return `consistent snapshots are ${change.to ? 'on' : 'off'}`;
    case 'key-added':
      return `${change.of} gets the ${change.keytype} key ${change.keyId}`;
    case 'key-removed':
      return `${change.of} loses the ${change.keytype} key ${change.keyId}`;
    case 'threshold':
      return `${change.of} must be signed by ${change.to} of its keys${change.from === 0 ? '' : ` instead of ${change.from}`}`;
    case 'delegation-added':
      return `${change.paths.join(' and ')} may be signed by ${change.of}: ${change.threshold} of ${change.keyIds.join(', ')}`;
    case 'delegation-removed':
      return `${change.paths.join(' and ')} may no longer be signed by ${change.of}`;
    case 'target-added':
      return `lists ${change.target} (${change.length} bytes, SHA-256 ${change.sha256})`;
    case 'target-removed':
      return `no longer lists ${change.target}`;
    case 'target-changed':
      return `${change.target} has SHA-256 ${change.to} instead of ${change.from} (${change.length} bytes)`;
  }
}

/** What the changes mean for hosts, clients and the other roles, in whole sentences, each once. */
export function consequencesOf(diffs: readonly RoleDiff[]): readonly string[] {
  const all = diffs.flatMap(({ role, changes }) => changes.flatMap((one) => meaning(role, one)));
  return [...new Set(all)];
}

function meaning(role: string, change: Change): readonly string[] {
  switch (change.kind) {
    case 'key-added':
    case 'key-removed':
      return keyMeaning(change.of, change.kind);
    case 'threshold':
      return change.from === 0
        ? []
        : [`from now on ${change.to} people or machines must sign ${change.of}`];
    case 'delegation-added':
      return [
        `who holds these keys decides what ${audience(change.of)}; updog and tuftool load the new role at their next start`,
      ];
    case 'delegation-removed':
      return [
        `nobody finds ${change.paths.join(' and ')} any more: no host can install from there, and ${audience(change.of)} is frozen`,
      ];
    case 'target-changed':
      return change.target === MANIFEST_TARGET
        ? ['every host reads the new rollouts at its next check-in']
        : [`hosts that fetch ${change.target} from now on get other bytes`];
    case 'target-removed':
      return [`no host can fetch ${change.target} any more`];
    case 'consistent-snapshot':
      return ['every client asks for other file names'];
    case 'role-added':
      return role === 'root' ? ['hosts must be given this root as their trust anchor'] : [];
    case 'signed-anew':
    case 'expires':
    case 'target-added':
      return [];
  }
}

function keyMeaning(of: string, kind: 'key-added' | 'key-removed'): readonly string[] {
  switch (of) {
    case 'root':
      return kind === 'key-added'
        ? [
            'a new root key decides about every other key; hosts follow the chain of roots by themselves',
          ]
        : [
            'hosts that trust an older root still follow, because the new root is signed by the old keys too; the removed key signs for the last time',
          ];
    case 'targets':
      return ['the targets role is signed anew by its new keys'];
    case 'snapshot':
    case 'timestamp':
      return [
        'snapshot and timestamp are signed anew; the server and every publisher need the new online key from then on',
        'a host that reads between the new root and the new timestamp, which are two puts, fails once and tries again',
      ];
    case ROLLOUTS_ROLE:
      return ['the manifest is signed anew; whoever starts or pauses rollouts needs the new key'];
    default:
      return kind === 'key-added'
        ? [`the new key may sign what ${audience(of)}`]
        : [`what the removed key alone signed of ${of} must be signed anew by a key that stays`];
  }
}

function audience(role: string): string {
  const platform = platformOfRole(role);
  if (platform === null) return `${role} lists`;
  return `hosts of ${platform.variant} on ${platform.arch} can install`;
}
