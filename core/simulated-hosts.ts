import type { Host } from './decide.ts';

// `silent` hosts took the release and will never say so.
const STANDINGS = ['idle', 'busy', 'silent', 'updated', 'failed', 'overdue', 'returned'] as const;
export type Standing = (typeof STANDINGS)[number];

type HostAtStart = Pick<Host, 'id' | 'seed' | 'version'>;

/** Where each host of a simulation stands, in a few bytes for each. Hosts are named by their index. */
export class SimulatedHosts {
  readonly #hosts: readonly HostAtStart[];
  readonly #standing: Uint8Array;
  readonly #phase: Float64Array;
  readonly #eligible: Float64Array;
  readonly #pollMs: number;

  constructor(hosts: readonly HostAtStart[], pollMs: number, random: () => number) {
    this.#hosts = hosts;
    this.#pollMs = pollMs;
    this.#standing = new Uint8Array(hosts.length);
    this.#phase = Float64Array.from(hosts, () => Math.floor(random() * pollMs));
    this.#eligible = new Float64Array(hosts.length).fill(Number.NaN);
  }

  get indexes(): Iterable<number> {
    return this.#standing.keys();
  }

  standingOf(host: number): Standing {
    return STANDINGS[this.#standing[host] ?? 0] ?? 'idle';
  }

  stand(host: number, standing: Standing): void {
    this.#standing[host] = STANDINGS.indexOf(standing);
    this.#eligible[host] = Number.NaN;
  }

  /** When the host becomes eligible by its last answer, in ms from the start; NaN where that could not be told. */
  eligibleOf(host: number): number {
    return this.#eligible[host] ?? Number.NaN;
  }

  /** False if that was known. */
  setEligible(host: number, atMs: number): boolean {
    const isNews = !Object.is(this.eligibleOf(host), atMs);
    this.#eligible[host] = atMs;
    return isNews;
  }

  /** The host's first poll that is not before this time. */
  nextPoll(host: number, atMs: number): number {
    const phase = this.#phase[host] ?? 0;
    return phase + Math.ceil((atMs - phase) / this.#pollMs) * this.#pollMs;
  }

  /** As it describes itself: with the version that it runs by now. */
  describe(host: number, newVersion: string): HostAtStart {
    const { id, seed, version } = this.#hosts[host] ?? { id: '', seed: 0, version: newVersion };
    return { id, seed, version: this.standingOf(host) === 'updated' ? newVersion : version };
  }
}
