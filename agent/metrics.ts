import { join } from 'node:path';
import type { AgentContext } from './context.ts';
import type { Counters } from './counters.ts';
import { AgentError } from './errors.ts';
import { formatMetrics } from './exposition.ts';
import type { Family, Sample } from './exposition.ts';
import type { AgentState } from './machine-state.ts';
import type { SealedSlot, Slots } from './slots/slots.ts';
import { trustedExpiries } from './tuf/expiries.ts';

const STATES = {
  idle: 0,
  available: 0,
  staged: 0,
  ready: 0,
  rebooting: 0,
  confirming: 0,
  'fallen-back': 0,
} as const satisfies Readonly<Record<AgentState['kind'], 0>>;

const PREFIX = 'tidegate_agent_';

/** The figures of this host in Prometheus' text format, for node_exporter's textfile collector. */
export async function metricsText(
  context: Pick<AgentContext, 'config' | 'slots' | 'journal' | 'reports'>,
  counters: Counters,
): Promise<string> {
  return formatMetrics(await familiesOf(context, counters));
}

async function familiesOf(
  {
    config,
    slots,
    journal,
    reports,
  }: Pick<AgentContext, 'config' | 'slots' | 'journal' | 'reports'>,
  counters: Counters,
): Promise<readonly Family[]> {
  const { state } = await journal.read();
  const { active, inactive } = await readSlots(slots);
  const pending = await reports.pending();
  const expiries = await trustedExpiries(join(config.stateFolder, 'tuf'), config.trustAnchor);
  const { variant, arch } = config.host;
  const releases = Object.entries({ active, inactive }).flatMap(([slot, sealed]) =>
    sealed === null
      ? []
      : [{ labels: { slot, variant, arch, version: sealed.release.version }, value: 1 }],
  );
  return [
    gauge('release_info', 'Releases that the slots hold, sealed', releases),
    gauge(
      'state',
      '1 for the state that the agent is in',
      Object.keys(STATES).map((kind) => ({
        labels: { state: kind },
        value: kind === state.kind ? 1 : 0,
      })),
    ),
    gauge('release_failures', 'Failures in a row of the release that failed last on this host', [
      single(state.failures.at(-1)?.count ?? 0),
    ]),
    gauge('reports_pending', 'Reports that the server has not acknowledged', [
      single(pending.length),
    ]),
    gauge('last_cycle_timestamp_seconds', 'When a cycle ended last, in Unix time', [
      single(counters.lastMs / 1000),
    ]),
    gauge(
      'last_good_cycle_timestamp_seconds',
      'When a cycle ended last that did not fail, in Unix time; 0 is never',
      [single(counters.lastGoodMs / 1000)],
    ),
    gauge(
      'last_cycle_result',
      '1 for how the last cycle ended',
      Object.keys(counters.cycles).map((result) => ({
        labels: { result },
        value: result === counters.lastResult ? 1 : 0,
      })),
    ),
    gauge(
      'metadata_expires_timestamp_seconds',
      'When the metadata that this host verified last expires, in Unix time',
      expiries.map(({ role, expires }) => ({
        labels: { role },
        value: expires.getTime() / 1000,
      })),
    ),
    counter(
      'cycles_total',
      'Cycles by how they ended',
      Object.entries(counters.cycles).map(([result, value]) => ({ labels: { result }, value })),
    ),
    counter('image_fetched_bytes_total', 'Bytes of images that were fetched into slots', [
      single(counters.bytesFetched),
    ]),
  ];
}

function gauge(name: string, help: string, samples: readonly Sample[]): Family {
  return { name: `${PREFIX}${name}`, help, kind: 'gauge', samples };
}

function counter(name: string, help: string, samples: readonly Sample[]): Family {
  return { name: `${PREFIX}${name}`, help, kind: 'counter', samples };
}

function single(value: number): Sample {
  return { labels: {}, value };
}

type Held = { readonly active: SealedSlot | null; readonly inactive: SealedSlot | null };

/** Of slots that cannot be read nothing is said; the state and the result of the cycle tell of them. */
async function readSlots(slots: Slots): Promise<Held> {
  try {
    return await slots.read();
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    return { active: null, inactive: null };
  }
}
