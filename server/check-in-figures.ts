const BATCH = 512;

type Sink = {
  readonly count: (decision: string, reason: string, times: number) => void;
  readonly took: (seconds: number) => void;
};

/**
 * What is counted of check-ins, kept aside and given to the metrics many at a time: one by one, between two requests, it would
 * cost several times as much. Whoever reads the metrics flushes first.
 */
export class CheckInFigures {
  readonly #sink: Sink;
  readonly #seconds = new Float64Array(BATCH);
  readonly #times = new Map<string, Map<string, number>>();
  #size = 0;

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  add(decision: string, reason: string, seconds: number): void {
    const reasons = this.#times.get(decision) ?? new Map<string, number>();
    this.#times.set(decision, reasons);
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    this.#seconds[this.#size] = seconds;
    this.#size += 1;
    if (this.#size === BATCH) this.flush();
  }

  flush(): void {
    for (const seconds of this.#seconds.subarray(0, this.#size)) this.#sink.took(seconds);
    this.#size = 0;
    for (const [decision, reasons] of this.#times) {
      for (const [reason, times] of reasons) this.#sink.count(decision, reason, times);
    }
    this.#times.clear();
  }
}
