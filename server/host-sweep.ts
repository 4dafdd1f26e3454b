import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Host, HostFilter, State } from '../adapters/state/state.ts';
import { Mutex } from './mutex.ts';

/** Few enough that a poll which comes meanwhile hardly notices. */
const PAGE = { limit: 100, scan: 100 };

/**
 * Looks at every host that fits, a few at a time, with all else that waits in between; and for one asker after the other, so that many who
 * ask at once cost no poll more than one does.
 */
export class HostSweep {
  readonly #state: Pick<State, 'findHosts'>;
  readonly #mutex = new Mutex();

  constructor(state: Pick<State, 'findHosts'>) {
    this.#state = state;
  }

  /** Throws StateError. */
  each(filter: HostFilter, look: (host: Host) => void): Promise<void> {
    return this.#mutex.run(async () => {
      let after: string | null = null;
      do {
        const page = await this.#state.findHosts(filter, { after, ...PAGE });
        page.hosts.forEach(look);
        after = page.next;
        await nextTurn();
      } while (after !== null);
    });
  }
}
