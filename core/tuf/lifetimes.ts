import { platformOfRole } from './names.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

/** The roles that a policy speaks of; `releases` stands for every `releases-<variant>-<arch>`. */
export const POLICY_ROLES = [
  'root',
  'targets',
  'releases',
  'rollouts',
  'snapshot',
  'timestamp',
] as const;
export type PolicyRole = (typeof POLICY_ROLES)[number];

export type Lifetime = {
  /** How long new metadata is valid. */
  readonly lifetimeMs: number;
  /** It is signed anew when less than this is left. */
  readonly renewalMs: number;
};

export type ExpiryPolicy = Readonly<Record<PolicyRole, Lifetime>>;

/** Offline keys sign once a year, online keys all the time; renewal is due at half of the life. */
export const DEFAULT_EXPIRY_POLICY: ExpiryPolicy = {
  root: daysOf(365),
  targets: daysOf(365),
  releases: daysOf(365),
  rollouts: daysOf(30),
  snapshot: daysOf(30),
  timestamp: daysOf(7),
};

/** When metadata of this role that is signed now expires, as its `expires` field says it. */
export function expiresOf(role: string, now: Date, policy: ExpiryPolicy): string {
  return formatExpires(new Date(now.getTime() + lifetimeOf(role, policy).lifetimeMs));
}

/** Whether the role should be signed anew by now. */
export function isRenewalDue(
  role: string,
  expires: string,
  now: Date,
  policy: ExpiryPolicy,
): boolean {
  const leftMs = new Date(expires).getTime() - now.getTime();
  return leftMs < lifetimeOf(role, policy).renewalMs;
}

/** Whole seconds with `Z`, rounded down: several clients refuse a fraction or an offset. */
export function formatExpires(time: Date): string {
  return time.toISOString().replace(/\.\d{3}Z$/, 'Z');
}

function lifetimeOf(role: string, policy: ExpiryPolicy): Lifetime {
  const own = POLICY_ROLES.find((name) => name === role && name !== 'releases');
  if (own !== undefined) return policy[own];
  return platformOfRole(role) === null ? policy.targets : policy.releases;
}

function daysOf(days: number): Lifetime {
  return { lifetimeMs: days * DAY_MS, renewalMs: (days * DAY_MS) / 2 };
}
