export type Outcome = 'updated' | 'failed' | 'rolled-back';

export type ReportSpec = {
  readonly id: string;
  readonly rolloutId: string;
  readonly from: string;
  readonly to: string;
  readonly outcome: Outcome;
  readonly atMs: number;
};

type Standing = {
  readonly progress: 'offered' | 'overdue' | Outcome;
  readonly atMs: number;
  /** Of the rollout, when it was learnt. */
  readonly attempt: number;
};

/** At one moment the worse outcome counts. */
const WORSE: readonly string[] = ['updated', 'failed', 'rolled-back'];

/** Where the hosts of a rollout stand by what was acknowledged. Offers are no promise: a crash may lose those not yet written. */
export class Standings {
  /** How often a host came through, and how often one failed. */
  readonly events = { successes: 0, failures: 0 };
  readonly #hosts = new Map<string, Standing>();
  /** Offers that lie in the server's memory, with their time. */
  readonly #unwritten = new Map<string, number>();
  /** Offers of which nobody knows whether they were written. */
  readonly #doubtful = new Set<string>();
  /** Hosts of which nobody knows which of several offers was written. */
  readonly #undated = new Set<string>();
  #mayMiscountOverdue = false;
  #retried = 1;

  /** No host's offer may have been lost, nor have been found overdue without the model knowing. */
  get isSure(): boolean {
    return this.#doubtful.size === 0 && !this.#mayMiscountOverdue;
  }

  count(progress: Standing['progress']): number {
    return [...this.#hosts.values()].filter((one) => one.progress === progress).length;
  }

  /** All hosts that were let through and did not go back. */
  known(): number {
    return this.#hosts.size - this.count('rolled-back');
  }

  /** How many hosts may stand there as offered, or overdue. */
  offeredBounds(): { readonly least: number; readonly most: number } {
    const least = this.count('offered') + this.count('overdue');
    return { least, most: least + this.#doubtful.size + this.#unwritten.size };
  }

  /** Of several offers the first counts. */
  offered(hostId: string, nowMs: number): void {
    if (this.#hosts.has(hostId) || this.#unwritten.has(hostId)) return;
    this.#unwritten.set(hostId, nowMs);
  }

  /** Who failed before is asked again in a later attempt, whether the server has come to that or not. */
  reported(hostId: string, { outcome, atMs }: ReportSpec, attempt: number): void {
    this.#unwritten.delete(hostId);
    this.#doubtful.delete(hostId);
    this.#undated.delete(hostId);
    const stands = this.#hosts.get(hostId);
    const isAskedAgain =
      attempt > this.#retried &&
      attempt > (stands?.attempt ?? attempt) &&
      (stands?.progress === 'failed' || stands?.progress === 'overdue');
    const before = stands && isAskedAgain ? { ...stands, progress: 'offered' as const } : stands;
    const isSilent = before?.progress === 'offered' || before?.progress === 'overdue';
    if (before !== undefined && !isSilent) {
      const isLater =
        atMs > before.atMs ||
        (atMs === before.atMs && WORSE.indexOf(outcome) > WORSE.indexOf(before.progress));
      if (!isLater) return;
    }
    this.#hosts.set(hostId, { progress: outcome, atMs, attempt });
    if (outcome === before?.progress) return;
    if (outcome === 'updated') this.events.successes += 1;
    if (outcome === 'failed' && before?.progress !== 'overdue') this.events.failures += 1;
  }

  /** The server's memory was written. */
  written(): void {
    for (const [hostId, atMs] of this.#unwritten) {
      this.#hosts.set(hostId, { progress: 'offered', atMs, attempt: 1 });
      if (this.#doubtful.delete(hostId)) this.#undated.add(hostId);
    }
    this.#unwritten.clear();
  }

  /** Who was offered the release before this time, and has said nothing since, is counted as a failure. */
  overdue(beforeMs: number): void {
    if (this.#doubtful.size + this.#undated.size > 0) this.#mayMiscountOverdue = true;
    for (const [hostId, { progress, atMs, attempt }] of this.#hosts) {
      if (progress !== 'offered' || atMs >= beforeMs || this.#undated.has(hostId)) continue;
      this.#hosts.set(hostId, { progress: 'overdue', atMs, attempt });
      this.events.failures += 1;
    }
  }

  /** The server's memory is gone. */
  crashed(): void {
    for (const hostId of this.#unwritten.keys()) this.#doubtful.add(hostId);
    this.#unwritten.clear();
  }

  /** Hosts that failed or are overdue are asked again, once for each attempt. */
  retry(attempt: number, nowMs: number): void {
    if (attempt <= this.#retried) return;
    this.#retried = attempt;
    for (const [hostId, one] of this.#hosts) {
      if (one.progress !== 'failed' && one.progress !== 'overdue') continue;
      if (one.attempt < attempt) {
        this.#hosts.set(hostId, { progress: 'offered', atMs: nowMs, attempt });
      }
    }
  }
}
