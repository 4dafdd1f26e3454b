import { parse } from 'smol-toml';
import { z } from 'zod';
import { parseDuration } from '../duration.ts';
import { ExpectedError } from '../errors.ts';
import { DEFAULT_EXPIRY_POLICY, POLICY_ROLES } from './lifetimes.ts';
import type { ExpiryPolicy, Lifetime, PolicyRole } from './lifetimes.ts';

export class ExpiryPolicyError extends ExpectedError<'expiry-policy/invalid'> {}

const MIN_LIFETIME_MS = 60_000;

/** pubsys knows `<role>_expiration` for snapshot, targets and timestamp, and refuses other keys; the others are ours. */
const fileSchema = z.strictObject(
  Object.fromEntries(
    POLICY_ROLES.flatMap((role) => [
      [`${role}_expiration`, z.string().optional()] as const,
      [`${role}_renewal`, z.string().optional()] as const,
    ]),
  ),
);

/**
 * Reads an expiry policy as pubsys has it: `timestamp_expiration = '1 week'`. Our own optional `timestamp_renewal = '3 days'`
 * says how much of the life may be left when the role is signed anew (default: half). Roles that are not named keep the
 * default. Throws ExpiryPolicyError.
 */
export function parseExpiryPolicy(text: string): ExpiryPolicy {
  const result = fileSchema.safeParse(readToml(text));
  if (!result.success) throw invalid(z.prettifyError(result.error));
  const read = (role: PolicyRole) => lifetimeIn(result.data, role);
  return {
    root: read('root'),
    targets: read('targets'),
    releases: read('releases'),
    rollouts: read('rollouts'),
    snapshot: read('snapshot'),
    timestamp: read('timestamp'),
  };
}

function lifetimeIn(
  file: Readonly<Record<string, string | undefined>>,
  role: PolicyRole,
): Lifetime {
  const lifetimeMs =
    durationIn(file, `${role}_expiration`) ?? DEFAULT_EXPIRY_POLICY[role].lifetimeMs;
  const renewalMs = durationIn(file, `${role}_renewal`) ?? lifetimeMs / 2;
  if (lifetimeMs < MIN_LIFETIME_MS) {
    throw invalid(`${role}_expiration must be at least one minute`);
  }
  if (renewalMs >= lifetimeMs) {
    throw invalid(`${role}_renewal must be shorter than the life of ${lifetimeMs / 1000} seconds`);
  }
  return { lifetimeMs, renewalMs };
}

function durationIn(
  file: Readonly<Record<string, string | undefined>>,
  key: string,
): number | undefined {
  const text = file[key];
  if (text === undefined) return undefined;
  try {
    return parseDuration(text);
  } catch (cause) {
    throw invalid(`${key} must be like '2 weeks', got ${JSON.stringify(text.slice(0, 80))}`, cause);
  }
}

function readToml(text: string): unknown {
  try {
    return parse(text);
  } catch (cause) {
    throw invalid(`not TOML: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
  }
}

function invalid(message: string, cause?: unknown): ExpiryPolicyError {
  return new ExpiryPolicyError('expiry-policy/invalid', `expiry policy: ${message}`, { cause });
}
