import type { FleetRules } from '../core/fleet/rules.ts';
import type { HostView } from '../core/host-view.ts';
import { releaseListSchema } from '../core/release-view.ts';
import type { ReleaseJson } from '../core/release-view.ts';
import type { ReleaseRef } from '../core/rollout.ts';
import type { SimulatedHost } from '../core/simulated-hosts.ts';
import type { Policy } from '../core/wave.ts';
import { callServer } from './control/call.ts';
import type { ServerTarget } from './control/call.ts';
import { hostPages } from './host-pages.ts';
import { startedAt } from './simulated-fleet.ts';
import type { Fleet } from './simulated-fleet.ts';
import { UsageError } from './usage.ts';

export type RealFleetOptions = {
  readonly target: ServerTarget;
  readonly policy: Policy;
  readonly startAt: Date;
  readonly rules: FleetRules;
  readonly release: { readonly variant: string; readonly arch: string; readonly version: string };
};

/**
 * A rollout of a published release to the hosts that a server knows, as they said of themselves last. Other rollouts that may be
 * under way are left out. Throws UsageError where there is no such release, or no host.
 */
export async function realFleet(options: RealFleetOptions): Promise<Fleet> {
  const { target, policy, startAt, rules, release: wanted } = options;
  const releases = await releasesOf(target, wanted);
  const wayBack = policy.halt?.rollBackTo ?? null;
  const rollout = startedAt(startAt, policy, find(releases, wanted.version));
  const { hosts, neighbours } = await hostsOf(target, rules, wanted);
  if (hosts.length === 0) {
    const { variant, arch } = wanted;
    throw new UsageError(
      'usage/option',
      `${target.url} knows no host of variant ${variant} on arch ${arch}`,
      { hints: ['--hosts simulates a fleet that is not there'] },
    );
  }
  return {
    ...{ rollout, hosts, neighbours, rules },
    wayBack: wayBack === null ? null : find(releases, wayBack),
  };
}

async function releasesOf(
  target: ServerTarget,
  { variant, arch }: RealFleetOptions['release'],
): Promise<readonly ReleaseJson[]> {
  const query = new URLSearchParams({ variant, arch });
  const path = `releases?${query.toString()}`;
  const { releases } = await callServer(target, { method: 'GET', path }, releaseListSchema);
  return releases;
}

function find(releases: readonly ReleaseJson[], version: string): ReleaseRef {
  const found = releases.find((release) => release.version === version);
  if (found === undefined) {
    const published = releases.map((release) => release.version).join(', ');
    throw new UsageError('usage/option', `no release ${version} is published for it`, {
      hints: [published === '' ? 'nothing is' : `published: ${published}`],
    });
  }
  const { variant, arch, minimumFrom, rollbackTo, document, images } = found;
  return {
    ...{ variant, arch, version, minimumFrom, rollbackTo, document: document.target },
    images: Object.fromEntries(images.map(({ image, target }) => [image, target])),
    migrations: [],
  };
}

/** A share of hosts is of those of all platforms: only then the others matter. */
async function hostsOf(
  target: ServerTarget,
  { groups }: FleetRules,
  { variant, arch }: RealFleetOptions['release'],
) {
  const hasShares = groups.some(({ concurrency }) =>
    concurrency.some(({ limit }) => limit.kind === 'share'),
  );
  const filter = hasShares ? {} : { variant, arch };
  const hosts: SimulatedHost[] = [];
  const neighbours: SimulatedHost[] = [];
  const simulated = sharing();
  for await (const page of hostPages(target, new URLSearchParams(filter))) {
    for (const host of page.hosts) {
      const isMeant = host.variant === variant && host.arch === arch;
      (isMeant ? hosts : neighbours).push(simulated(host));
    }
  }
  return { hosts, neighbours };
}

/** Of a large fleet most labels are said again and again: they are kept once. */
function sharing(): (host: HostView) => SimulatedHost {
  const known = new Map<string, HostView['labels']>();
  return ({ id, seed, version, group, labels: own }) => {
    const text = JSON.stringify(own);
    const labels = known.get(text) ?? own;
    known.set(text, labels);
    return { id, seed, version, group, labels };
  };
}
