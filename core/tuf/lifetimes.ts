import { platformOfRole } from './names.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

/** How long new metadata is valid, in days: offline keys sign once a year, online keys all the time. */
export const LIFETIME_DAYS = {
  root: 365,
  targets: 365,
  releases: 365,
  rollouts: 30,
  snapshot: 30,
  timestamp: 7,
} as const;

/** When metadata of this role that is signed now expires, as its `expires` field says it. */
export function expiresOf(role: string, now: Date): string {
  return formatExpires(new Date(now.getTime() + lifetimeDays(role) * DAY_MS));
}

/** Whole seconds with `Z`, rounded down: several clients refuse a fraction or an offset. */
export function formatExpires(time: Date): string {
  return time.toISOString().replace(/\.\d{3}Z$/, 'Z');
}

function lifetimeDays(role: string): number {
  switch (role) {
    case 'root':
    case 'targets':
    case 'rollouts':
    case 'snapshot':
    case 'timestamp':
      return LIFETIME_DAYS[role];
    default:
      return platformOfRole(role) === null ? LIFETIME_DAYS.targets : LIFETIME_DAYS.releases;
  }
}
