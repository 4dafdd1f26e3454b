import type { Io } from '../adapters/terminal/io.ts';
import { parseExpiryPolicy } from '../core/tuf/expiry-policy-file.ts';
import { DEFAULT_EXPIRY_POLICY } from '../core/tuf/lifetimes.ts';
import type { ExpiryPolicy } from '../core/tuf/lifetimes.ts';
import { readOptionFile } from './usage.ts';

/** The policy in the file that `--expiry-policy` names; the default policy without one. */
export async function expiryPolicyOption(io: Io, path: string | undefined): Promise<ExpiryPolicy> {
  return path === undefined
    ? DEFAULT_EXPIRY_POLICY
    : parseExpiryPolicy(await readOptionFile(io, '--expiry-policy', path));
}
