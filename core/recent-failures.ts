/** Longer than any job waits before it tries again, so that what still fails is not taken for mended meanwhile. */
const TOLD_FOR_MS = 20_000;

/**
 * What failed lately and has not worked since. What nobody tries again is told for a while only: what does not happen
 * cannot show that it would work.
 */
export class RecentFailures<E> {
  readonly #byKind = new Map<string, { readonly atMs: number; readonly failure: E }>();

  /** `nowMs` is of a clock that nobody sets. */
  failed(kind: string, failure: E, nowMs: number): void {
    this.#byKind.set(kind, { atMs: nowMs, failure });
  }

  worked(kind: string): void {
    this.#byKind.delete(kind);
  }

  /** The last of them, or null. */
  last(nowMs: number): E | null {
    let last: { readonly atMs: number; readonly failure: E } | null = null;
    for (const one of this.#byKind.values()) {
      if (nowMs - one.atMs < TOLD_FOR_MS && one.atMs >= (last?.atMs ?? 0)) last = one;
    }
    return last?.failure ?? null;
  }
}
