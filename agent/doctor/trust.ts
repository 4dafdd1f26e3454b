import { readFile } from 'node:fs/promises';
import { parseRoot } from '../../core/tuf/metadata.ts';
import { errnoOf } from '../../adapters/storage/file-errors.ts';
import type { AgentContext } from '../context.ts';
import { AgentError } from '../errors.ts';
import { trustedExpiries } from '../tuf/expiries.ts';
import { followRoots } from '../tuf/roots.ts';
import { TrustedStore } from '../tuf/trusted-store.ts';
import { bad, good, warning } from './check.ts';
import type { Check } from './check.ts';

const DAY_MS = 86_400_000;
const SOON_MS = { root: 14 * DAY_MS, other: DAY_MS } as const;

/** The trust anchor, and the newest root that follows from it; `folder` holds what was verified last. */
export async function checkAnchor(
  { config, now }: Pick<AgentContext, 'config' | 'now'>,
  folder: string,
): Promise<readonly Check[]> {
  const { trustAnchor } = config;
  const bytes = await readAnchor(trustAnchor);
  const { roots } = (await new TrustedStore(folder).read()).metadata;
  const chain = chainFrom(trustAnchor, bytes, roots);
  const { signed } = parseRoot(chain.latest, trustAnchor);
  const { keyids, threshold } = signed.roles.root;
  const expires = new Date(signed.expires);
  const what = `root ${signed.version}, signed by ${threshold} of ${keyids.length} keys, expires ${day(expires)}`;
  const advice = 'have the root renewed: `tidegate repo root propose`';
  return [
    expires <= now()
      ? bad('anchor', `${what}, and no newer one is known`, advice)
      : expires.getTime() - now().getTime() < SOON_MS.root
        ? warning('anchor', what, advice)
        : good('anchor', what),
    ...(threshold > 1
      ? []
      : [
          warning(
            'anchor',
            'one key of the root alone can change who is trusted',
            'raise the threshold of the root to two keys of two people',
          ),
        ]),
    ...(chain.isDamaged
      ? [
          warning(
            'anchor',
            'a root that this host kept does not follow from the one before it',
            'run `tidegate agent once`, and see whether the disk fails',
          ),
        ]
      : []),
  ];
}

/** How long what was verified still holds. */
export async function checkExpiries(
  { config, now }: Pick<AgentContext, 'config' | 'now'>,
  folder: string,
): Promise<readonly Check[]> {
  const expiries = await trustedExpiries(folder, config.trustAnchor);
  const soon = expiries.filter(
    ({ role, expires }) =>
      role !== 'root' &&
      role !== 'timestamp' &&
      expires.getTime() - now().getTime() < SOON_MS.other,
  );
  return soon.map(({ role, expires }) =>
    warning(
      'metadata',
      `${role} expires ${day(expires)}`,
      'have it renewed: `tidegate repo refresh`',
    ),
  );
}

async function readAnchor(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    const message = `cannot read the trust anchor ${path}: ${errnoOf(cause) ?? 'unknown'}`;
    throw new AgentError('agent/config', message, {
      cause,
      hints: ['put the first root of the repository there, from a source that you trust'],
    });
  }
}

function chainFrom(path: string, bytes: Buffer, roots: Readonly<Record<string, string>>) {
  try {
    return followRoots(bytes, roots);
  } catch (cause) {
    throw new AgentError('agent/config', `${path} is no root signed by its own keys`, {
      cause,
      hints: ['put the first root of the repository there, from a source that you trust'],
    });
  }
}

function day(date: Date): string {
  return date.toISOString().slice(0, 10);
}
