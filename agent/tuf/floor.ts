import type { TrustedMetadataStore } from 'tuf-js/dist/store.js';
import { AgentError } from '../errors.ts';
import type { AnchorId } from './anchor.ts';
import type { Floor } from './trusted-store.ts';

/** A clock that is behind by less than this is only badly set; time servers step that far. */
const CLOCK_TOLERANCE_MS = 10 * 60_000;

/** The time to judge expiry by: never before what this host has seen. Throws `agent/clock`. */
export function flooredTime(now: Date, floor: Floor): Date {
  if (now.getTime() < floor.latestMs - CLOCK_TOLERANCE_MS) {
    const seen = new Date(floor.latestMs).toISOString();
    throw new AgentError(
      'agent/clock',
      `the clock says ${now.toISOString()}, but this host has seen ${seen} already`,
      { hints: ['set the clock; until then nothing can be known to be fresh'] },
    );
  }
  return new Date(Math.max(now.getTime(), floor.latestMs));
}

/**
 * The floor that this verified metadata makes. Throws `agent/rollback` if any of it is below the floor before, except
 * that timestamp, snapshot and roles start anew when the root names other keys for timestamp or snapshot (TUF 5.3.11).
 */
export function raisedFloor(
  before: Floor,
  trusted: TrustedMetadataStore,
  { anchor, now }: { readonly anchor: AnchorId; readonly now: Date },
): Floor {
  const { root, timestamp, snapshot } = trusted;
  if (timestamp === undefined || snapshot === undefined) {
    throw new Error('a floor is made of metadata that was refreshed');
  }
  const keyIds = (role: string) => (root.signed.roles[role]?.keyIDs ?? []).toSorted();
  const roles = Object.entries(snapshot.signed.meta).map(
    ([file, { version }]) => [file.replace(/\.json$/, ''), version] as const,
  );
  const after: Floor = {
    latestMs: Math.max(before.latestMs, now.getTime()),
    root: root.signed.version,
    timestamp: { version: timestamp.signed.version, keyIds: keyIds('timestamp') },
    snapshot: { version: snapshot.signed.version, keyIds: keyIds('snapshot') },
    roles: Object.fromEntries(roles),
    anchor,
  };
  requireNotBelow('root', before.root, after.root);
  const isNewReign = (['timestamp', 'snapshot'] as const).some(
    (role) => before[role].keyIds.join() !== after[role].keyIds.join(),
  );
  if (isNewReign) return after;
  requireNotBelow('timestamp', before.timestamp.version, after.timestamp.version);
  requireNotBelow('snapshot', before.snapshot.version, after.snapshot.version);
  for (const [role, version] of Object.entries(before.roles)) {
    // TUF 5.5.5: a role that was in the snapshot stays in it.
    requireNotBelow(role, version, after.roles[role] ?? 0);
  }
  return after;
}

/** Whether the new floor is worth a write: the time alone is only remembered in coarse steps. */
export function isRaised(before: Floor, after: Floor): boolean {
  const { latestMs: beforeMs, ...versionsBefore } = before;
  const { latestMs: afterMs, ...versionsAfter } = after;
  return (
    afterMs - beforeMs >= CLOCK_TOLERANCE_MS ||
    JSON.stringify(versionsBefore) !== JSON.stringify(versionsAfter)
  );
}

function requireNotBelow(role: string, floor: number, version: number): void {
  if (version >= floor) return;
  throw new AgentError(
    'agent/rollback',
    `${role}: this host has seen version ${floor}, and was now given ${version === 0 ? 'none' : version}`,
  );
}
