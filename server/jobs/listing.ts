import { nextListingAt } from '../../core/compile.ts';
import type { Fleet } from '../fleet.ts';
import type { RepositoryLink } from '../repository-link.ts';

export type ListingOptions = {
  readonly fleet: Fleet;
  readonly link: RepositoryLink;
  readonly now: () => Date;
};

/**
 * Commits what the passing of time asks for: an update is listed for Bottlerocket hosts only once its tide may rise, and
 * what the server signed must not expire.
 */
export class Listing {
  readonly #options: ListingOptions;
  /** When the manifest was last known to be compiled as of now; null before the first time. */
  #compiledAt: Date | null = null;

  constructor(options: ListingOptions) {
    this.#options = options;
  }

  async tick(): Promise<void> {
    const { link, now } = this.#options;
    const at = now();
    if (this.#isListingDue(at)) {
      await link.commit([]);
      this.#compiledAt = at;
    }
    if (link.isRenewalDue()) await link.renew();
  }

  #isListingDue(at: Date): boolean {
    // A clock that was set back may have listed what is not due yet.
    if (this.#compiledAt === null || at < this.#compiledAt) return true;
    const next = nextListingAt(this.#options.fleet.view.published.rollouts, this.#compiledAt);
    return next !== null && next <= at;
  }
}
