import { formatInstant } from '../core/instant.ts';
import { ServerError } from './errors.ts';

/** What a clock is set by without anybody noticing: to hosts a minute is nothing. */
const FOLLOWED_MS = 60_000;
/** Time for people to look at it: a machine that slept, or got the time late, is right in the end. */
const PATIENCE_MS = 3_600_000;

/** The clock of the machine jumped. */
export type ClockDoubt = {
  /** What it says. */
  readonly says: Date;
  /** By how much it jumped; less than 0 is back. */
  readonly aheadMs: number;
  /** When it will be believed if it goes on like that, by the time as it was before. */
  readonly believedAt: Date;
};

export type SteadyClockOptions = {
  /** The clock of the machine, which anybody may set. */
  readonly system: () => Date;
  /** Milliseconds since some moment, by a clock that nobody sets. */
  readonly elapsedMs: () => number;
};

/**
 * The time that a server goes by. When the clock of its machine jumps by more than a minute, time goes on as before for an
 * hour, so that a wrong clock lets no host through, signs nothing and forgets nothing; then the clock is believed.
 */
export class SteadyClock {
  readonly #options: SteadyClockOptions;
  /** What the clock of the machine shows more than has elapsed: as believed now, and as it was before that. */
  #offsetMs: number;
  #formerMs: number;
  #doubted: { readonly offsetMs: number; readonly sinceMs: number } | null = null;

  constructor(options: SteadyClockOptions) {
    this.#options = options;
    this.#offsetMs = options.system().getTime() - options.elapsedMs();
    this.#formerMs = this.#offsetMs;
  }

  now(): Date {
    const { systemMs, elapsedMs } = this.#look();
    return new Date(this.#doubted === null ? systemMs : Math.floor(elapsedMs + this.#offsetMs));
  }

  /** Null while the clock of the machine goes as it should. */
  doubt(): ClockDoubt | null {
    const { systemMs } = this.#look();
    if (this.#doubted === null) return null;
    const { offsetMs, sinceMs } = this.#doubted;
    return {
      says: new Date(systemMs),
      aheadMs: Math.round(offsetMs - this.#offsetMs),
      believedAt: new Date(Math.floor(sinceMs + PATIENCE_MS + this.#offsetMs)),
    };
  }

  #look(): { readonly systemMs: number; readonly elapsedMs: number } {
    const systemMs = this.#options.system().getTime();
    const elapsedMs = this.#options.elapsedMs();
    const offsetMs = systemMs - elapsedMs;
    if (isNear(offsetMs, this.#offsetMs)) this.#follow(offsetMs);
    // Set right again after it was wrong for so long that it was believed.
    else if (isNear(offsetMs, this.#formerMs)) this.#believe(offsetMs);
    else this.#suspect(offsetMs, elapsedMs);
    return { systemMs, elapsedMs };
  }

  #follow(offsetMs: number): void {
    this.#offsetMs = offsetMs;
    this.#doubted = null;
  }

  #believe(offsetMs: number): void {
    this.#formerMs = this.#offsetMs;
    this.#follow(offsetMs);
  }

  #suspect(offsetMs: number, elapsedMs: number): void {
    const doubted = this.#doubted;
    // A clock that jumps about is believed in none of its places.
    const isSame = doubted !== null && isNear(offsetMs, doubted.offsetMs);
    const sinceMs = isSame ? doubted.sinceMs : elapsedMs;
    if (elapsedMs - sinceMs >= PATIENCE_MS) this.#believe(offsetMs);
    else this.#doubted = { offsetMs, sinceMs };
  }
}

/** Throws `server/clock` while the clock is in doubt. */
export function requireSteady(clock: Pick<SteadyClock, 'doubt'>): void {
  const doubt = clock.doubt();
  if (doubt !== null) throw clockError(doubt);
}

/** What people are told of it. */
export function clockError({ says, aheadMs, believedAt }: ClockDoubt): ServerError {
  const way = aheadMs < 0 ? 'back' : 'ahead';
  return new ServerError(
    'server/clock',
    `the clock of the machine jumped ${way} by ${Math.round(Math.abs(aheadMs) / 1000)} seconds and says ` +
      `${formatInstant(says)}; time goes on as before, and it is believed at ${formatInstant(believedAt)}`,
  );
}

function isNear(oneMs: number, otherMs: number): boolean {
  return Math.abs(oneMs - otherMs) <= FOLLOWED_MS;
}
