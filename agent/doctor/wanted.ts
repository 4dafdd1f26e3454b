import type { Release } from '../../core/release.ts';
import { currentRollouts } from '../../core/rollout.ts';
import { compareVersions } from '../../core/version.ts';
import type { AgentContext } from '../context.ts';
import { send } from '../http.ts';
import { fetchRelease, imageBytesOf, spaceRefusal } from '../install.ts';
import { decisionFor } from '../permission.ts';
import { readPlan } from '../read-plan.ts';
import type { SlotsState } from '../slots/slots.ts';
import type { VerifiedRepository } from '../tuf/client.ts';
import { bad, good } from './check.ts';
import type { Check } from './check.ts';

/**
 * The release that this host gets, or will get when its time has come; null if there is none. Throws as reading targets
 * does.
 */
export async function wantedRelease(
  { config, now }: Pick<AgentContext, 'config' | 'now'>,
  repository: VerifiedRepository,
  running: string | null,
): Promise<Release | null> {
  const plan = await readPlan(repository);
  const { host } = config;
  const versions =
    running === null
      ? await repository.publishedVersions(host)
      : currentRollouts(plan.rollouts, host)
          .filter(({ state }) => state === 'running' || state === 'paused')
          .map(({ release }) => release.version)
          .filter((version) => compareVersions(version, running) > 0)
          .toSorted(compareVersions);
  const decision =
    running === null
      ? null
      : decisionFor({ ...host, version: running }, plan, { hint: null, now: now() });
  const version =
    decision?.decision === 'update' ? decision.release.version : (versions.at(-1) ?? null);
  if (version === null) return null;
  return (await fetchRelease(repository, { ...host, version })).release;
}

/** Whether every image of the release can be had. */
export async function checkImages(
  context: Pick<AgentContext, 'network' | 'signal'>,
  repository: VerifiedRepository,
  { version, images }: Release,
): Promise<readonly Check[]> {
  const found: Check[] = [];
  for (const { target } of Object.values(images)) {
    const info = await repository.targetInfo(target);
    const status = info === null ? 404 : await statusOf(info.url, context);
    if (status < 300) continue;
    const message = `image ${target} of release ${version} answers ${status}`;
    found.push(bad('targets', message, 'have the repository verified: `tidegate repo verify`'));
  }
  if (found.length > 0) return found;
  const { length } = Object.keys(images);
  return [good('targets', `${length} images of release ${version} can be had`)];
}

/** Whether the images of the release fit. */
export async function checkSpace(
  { slots }: Pick<AgentContext, 'slots'>,
  release: Release,
  { inactive }: Pick<SlotsState, 'inactive'>,
): Promise<readonly Check[]> {
  const { version } = release;
  if (inactive?.release.version === version) {
    return [good('space', `release ${version} is in the inactive slot already`)];
  }
  const refusal = await spaceRefusal(slots, release);
  if (refusal !== null) return [bad('space', refusal, 'make room where the slots are')];
  const room = await slots.roomForImages();
  return [
    good(
      'space',
      `release ${version} needs ${imageBytesOf(release)} bytes, there is room for ${room}`,
    ),
  ];
}

/** Of the beginning of a file, which is not read. */
async function statusOf(
  url: string,
  { network, signal }: Pick<AgentContext, 'network' | 'signal'>,
): Promise<number> {
  const response = await send(url, { network, signal });
  response.close();
  return response.status;
}
