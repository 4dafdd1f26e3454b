import type { Host } from './decide.ts';
import type { Member } from './fleet/rules.ts';

// `silent` hosts took the release and will never say so; `busy` ones will, and `returning` ones are on their way back.
const STANDINGS = [
  ...(['idle', 'busy', 'silent', 'updated', 'failed', 'overdue', 'returning', 'returned'] as const),
];
export type Standing = (typeof STANDINGS)[number];

/** A host as it is at the beginning. */
export type SimulatedHost = Pick<Host, 'id' | 'seed' | 'version' | 'group' | 'labels'>;

const NOBODY: SimulatedHost = { id: '', seed: 0, version: '0.0.0' };

/** Where each host of a simulation stands, in a few bytes for each. Hosts are named by their index. */
export class SimulatedHosts {
  readonly #hosts: readonly SimulatedHost[];
  readonly #standing: Uint8Array;
  readonly #phase: Float64Array;
  readonly #eligible: Float64Array;
  readonly #pollMs: number;

  constructor(hosts: readonly SimulatedHost[], pollMs: number, random: () => number) {
    this.#hosts = hosts;
    this.#pollMs = pollMs;
    this.#standing = new Uint8Array(hosts.length);
    this.#phase = Float64Array.from(hosts, () => Math.floor(random() * pollMs));
    this.#eligible = new Float64Array(hosts.length).fill(Number.NaN);
  }

  get count(): number {
    return this.#hosts.length;
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

  /** When in each interval the host polls. */
  phaseOf(host: number): number {
    return this.#phase[host] ?? 0;
  }

  /** The phase of the hosts that poll at this time. */
  phaseAt(atMs: number): number {
    return atMs % this.#pollMs;
  }

  /** The host's first poll that is not before this time. */
  nextPoll(host: number, atMs: number): number {
    const phase = this.phaseOf(host);
    return phase + Math.ceil((atMs - phase) / this.#pollMs) * this.#pollMs;
  }

  /** What the rules of the fleet know it by. */
  memberOf(host: number): Member {
    return this.#hosts[host] ?? NOBODY;
  }

  /** As it describes itself: with the version that it runs by now. */
  describe(host: number, newVersion: string): SimulatedHost {
    const { id, seed, version, group, labels } = this.#hosts[host] ?? NOBODY;
    const runs = this.standingOf(host) === 'updated' ? newVersion : version;
    return { id, seed, version: runs, group, labels };
  }
}
