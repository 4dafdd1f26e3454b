import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { StateError } from '../adapters/state/state.ts';
import type { State, VersionCount } from '../adapters/state/state.ts';
import { tideAt } from '../core/tide.ts';
import type { Platform } from '../core/tuf/names.ts';
import { roleExpiries } from '../core/tuf/repository-metadata.ts';
import { CheckInFigures } from './check-in-figures.ts';
import type { Fleet } from './fleet.ts';
import type { Leases } from './leases.ts';
import type { UpdogSightings } from './updog-sightings.ts';

/** Where hosts poll. */
export const CHECK_IN_PATH = '/api/v1/check-in';
/** Hosts may say any version of themselves: beyond so many of a platform, the rarest are counted together. */
const MOST_VERSIONS = 50;

export type MetricsOptions = {
  readonly fleet: Fleet;
  readonly leases: Pick<Leases, 'size'>;
  readonly state: Pick<State, 'countHosts'>;
  readonly updog: Pick<UpdogSightings, 'count'>;
  readonly now: () => Date;
};

export type Metrics = ReturnType<typeof createMetrics>;

/** Counts of this process in a registry of its own; nothing is counted per host. */
export function createMetrics(options: MetricsOptions) {
  const registry = new Registry();
  const registers = [registry];
  addTide(registry, options);
  addHosts(registry, options);
  addLeases(registry, options);
  addOutbox(registry, options);
  addExpiries(registry, options);
  addUpdog(registry, options);
  const collect = () => {
    checkInFigures.flush();
  };
  const checkIns = new Counter({
    name: 'tidegate_check_ins_total',
    help: 'Check-ins answered',
    labelNames: ['decision', 'reason'] as const,
    registers,
    collect,
  });
  const duration = new Histogram({
    name: 'tidegate_http_request_duration_seconds',
    help: 'Time to answer a request',
    labelNames: ['route', 'method', 'status'] as const,
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
    registers,
    collect,
  });
  const checkInFigures = new CheckInFigures({
    count: (decision, reason, times) => {
      checkIns.inc({ decision, reason }, times);
    },
    took: (seconds) => {
      duration.observe({ route: CHECK_IN_PATH, method: 'POST', status: 200 }, seconds);
    },
  });
  return {
    registry,
    ...{ checkIns, duration, checkInFigures },
    reports: new Counter({
      name: 'tidegate_reports_total',
      help: 'Reports received, repeated ones included',
      labelNames: ['outcome'] as const,
      registers,
    }),
    verbs: new Counter({
      name: 'tidegate_verbs_total',
      help: 'Verbs finished by the outbox',
      labelNames: ['result'] as const,
      registers,
    }),
    commits: new Counter({
      name: 'tidegate_commits_total',
      help: 'Commits seen in the repository, whoever made them',
      registers,
    }),
    jobFailures: new Counter({
      name: 'tidegate_job_failures_total',
      help: 'Runs of a background job that failed',
      labelNames: ['job'] as const,
      registers,
    }),
    dropped: new Counter({
      name: 'tidegate_write_behind_dropped_total',
      help: 'Sightings and offers forgotten because the database was away for too long',
      registers,
    }),
    updogRequests: new Counter({
      name: 'tidegate_updog_requests_total',
      help: "Repository requests with updog's query parameters",
      registers,
    }),
  };
}

function addTide(registry: Registry, { fleet, now }: MetricsOptions): void {
  const gauge: Gauge<'rollout' | 'variant' | 'arch' | 'version'> = new Gauge({
    name: 'tidegate_tide_seeds',
    help: 'Seeds of 2048 that a rollout in force has let through',
    labelNames: ['rollout', 'variant', 'arch', 'version'] as const,
    registers: [registry],
    collect() {
      gauge.reset();
      for (const platform of fleet.view.platforms) {
        for (const rollout of fleet.currentRollouts(platform) ?? []) {
          const labels = { ...platform, rollout: rollout.id, version: rollout.release.version };
          gauge.set(labels, tideAt(rollout, now()));
        }
      }
    },
  });
}

function addHosts(registry: Registry, { fleet, state }: MetricsOptions): void {
  const gauge: Gauge<'variant' | 'arch' | 'version'> = new Gauge({
    name: 'tidegate_hosts',
    help: 'Known hosts by the version they run',
    labelNames: ['variant', 'arch', 'version'] as const,
    registers: [registry],
    async collect() {
      gauge.reset();
      for (const platform of fleet.view.platforms) {
        const counts = await knownCounts(state, platform);
        const sorted = counts.toSorted((a, b) => b.hosts - a.hosts);
        for (const [index, { version, hosts }] of sorted.entries()) {
          const label = index < MOST_VERSIONS ? version : 'other';
          gauge.inc({ ...platform, version: label }, hosts);
        }
      }
    },
  });
}

/** With the database away nothing is known of the hosts; the other figures are wanted all the more. */
async function knownCounts(
  state: Pick<State, 'countHosts'>,
  platform: Platform,
): Promise<readonly VersionCount[]> {
  try {
    return await state.countHosts(platform);
  } catch (error) {
    if (error instanceof StateError) return [];
    throw error;
  }
}

function addLeases(registry: Registry, { leases }: MetricsOptions): void {
  const gauge: Gauge = new Gauge({
    name: 'tidegate_hosts_under_way',
    help: 'Hosts that hold leases, as far as this server knows',
    registers: [registry],
    collect() {
      gauge.set(leases.size);
    },
  });
}

function addUpdog(registry: Registry, { updog, now }: MetricsOptions): void {
  const gauge: Gauge<'version'> = new Gauge({
    name: 'tidegate_updog_seeds',
    help: 'Seeds of unmodified Bottlerocket hosts seen within a day, by the version they run',
    labelNames: ['version'] as const,
    registers: [registry],
    collect() {
      gauge.reset();
      for (const [version, seeds] of updog.count(now())) gauge.set({ version }, seeds);
    },
  });
}

function addOutbox(registry: Registry, { fleet }: MetricsOptions): void {
  const gauge: Gauge = new Gauge({
    name: 'tidegate_outbox_pending',
    help: 'Verbs that are in force, but not committed yet',
    registers: [registry],
    collect() {
      gauge.set(fleet.view.pending.length);
    },
  });
}

function addExpiries(registry: Registry, { fleet, now }: MetricsOptions): void {
  const gauge: Gauge<'role'> = new Gauge({
    name: 'tidegate_role_expires_timestamp_seconds',
    help: 'When the published metadata of a role expires, in Unix time',
    labelNames: ['role'] as const,
    registers: [registry],
    collect() {
      gauge.reset();
      for (const { role, expires } of roleExpiries(fleet.view.published.state, now())) {
        gauge.set({ role }, expires.getTime() / 1000);
      }
    },
  });
}
