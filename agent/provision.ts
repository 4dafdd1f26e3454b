import { currentRollouts } from '../core/rollout.ts';
import { SEED_COUNT } from '../core/seed.ts';
import { tideAt } from '../core/tide.ts';
import { compareVersions } from '../core/version.ts';
import type { AgentContext } from './context.ts';
import { AgentError } from './errors.ts';
import { fetchRelease, fillInactiveSlot } from './install.ts';
import { readPlan } from './read-plan.ts';
import { refresh } from './refresh.ts';
import type { VerifiedRepository } from './tuf/client.ts';

export type Provisioned = { readonly version: string; readonly bytesFetched: number };

/**
 * The first release of an empty host, verified like every other. Without a version it is the newest one that a rollout gives
 * to everyone by now, else the oldest that is published. Throws `agent/slots` if a release is active already.
 */
export async function provision(
  context: AgentContext,
  version: string | null,
): Promise<Provisioned> {
  const { slots, config } = context;
  const { active } = await slots.read();
  if (active !== null) {
    throw new AgentError(
      'agent/slots',
      `release ${active.release.version} is active on this host already`,
    );
  }
  const repository = await refresh(context);
  const wanted = version ?? (await defaultVersion(context, repository));
  const { variant, arch } = config.host;
  const fetched = await fetchRelease(repository, { variant, arch, version: wanted });
  const bytesFetched = await fillInactiveSlot(context, repository, fetched);
  await slots.activate(wanted);
  return { version: wanted, bytesFetched };
}

async function defaultVersion(
  { config, now }: AgentContext,
  repository: VerifiedRepository,
): Promise<string> {
  const { rollouts } = await readPlan(repository);
  const open = currentRollouts(rollouts, config.host)
    .filter((rollout) => rollout.state === 'running' && tideAt(rollout, now()) === SEED_COUNT)
    .map(({ release }) => release.version)
    .toSorted(compareVersions);
  const [oldest] = await repository.publishedVersions(config.host);
  const version = open.at(-1) ?? oldest;
  if (version === undefined) {
    const { variant, arch } = config.host;
    throw new AgentError('agent/not-there', `no release of ${variant} ${arch} is published`);
  }
  return version;
}
