const BUSY_FROM = 0.7;
const MOST = 4;
const SHORTEST_MS = 1000;

/** How many times longer than usual hosts shall wait, 1 to 4, for this share of time that the event loop is busy. */
export function loadFactor(utilization: number): number {
  const share = Math.min(1, Math.max(0, (utilization - BUSY_FROM) / (1 - BUSY_FROM)));
  return 1 + share * (MOST - 1);
}

/** How busy this process was between its last two samples. */
export class LoadMeter {
  #last = performance.eventLoopUtilization();
  #factor = 1;

  get factor(): number {
    return this.#factor;
  }

  /** To be called every few seconds; what happened in less than one says nothing. */
  sample(): void {
    const current = performance.eventLoopUtilization();
    const since = performance.eventLoopUtilization(current, this.#last);
    if (since.idle + since.active < SHORTEST_MS) return;
    this.#factor = loadFactor(since.utilization);
    this.#last = current;
  }
}
