import { SEED_COUNT } from '../core/seed.ts';

/** The fleet of the benches: half of it runs the newest release, the other half waits for it. */
export const PLATFORM = { variant: 'bench', arch: 'x86_64' } as const;
export const OLD_VERSION = '1.0.0';
export const NEW_VERSION = '1.1.0';

/** Half of the hosts that wait may come after two seconds; of the others some in a month, and all then. */
export const POLICY = `
[[waves]]
start_after = '1 second'
fleet_percentage = 50
[[waves]]
start_after = '2 seconds'
fleet_percentage = 51
[[waves]]
start_after = '30 days'
fleet_percentage = 100
`;

/** Beyond what the tide reaches while a bench runs. */
const HELD_FROM = 0.52 * SEED_COUNT;

export type BenchHost = {
  readonly id: string;
  readonly variant: string;
  readonly arch: string;
  readonly version: string;
  readonly seed: number;
  readonly group: string;
  readonly labels: Readonly<Record<string, string>>;
};

export function benchHost(index: number): BenchHost {
  return {
    id: `i-${(index + 0x1000_0000_0000).toString(16).padStart(17, '0')}`,
    ...PLATFORM,
    version: index % 2 === 0 ? NEW_VERSION : OLD_VERSION,
    seed: seedOf(index),
    group: `group-${index % 7}`,
    labels: { zone: `zone-${index % 3}`, rack: `rack-${index % 101}` },
  };
}

/** `idle` runs the newest release; `held` is not let through yet; `mix` is the fleet as it is. */
export type HostKind = 'mix' | 'idle' | 'held';

export function isOfKind(index: number, kind: HostKind): boolean {
  switch (kind) {
    case 'mix':
      return true;
    case 'idle':
      return index % 2 === 0;
    case 'held':
      return index % 2 === 1 && seedOf(index) >= HELD_FROM;
  }
}

function seedOf(index: number): number {
  return (Math.imul(index, 0x9e37_79b1) >>> 0) % SEED_COUNT;
}
