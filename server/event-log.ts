import type { EventData, EventName } from '../core/server-events.ts';
import { RequestError } from './errors.ts';

/** One event as clients get it. */
export type ServerEvent = {
  /** `<epoch>-<number>`: the numbers of another start of the server mean nothing here. */
  readonly id: string;
  readonly name: EventName;
  readonly data: EventData[EventName];
};

export type EventClient = {
  readonly send: (event: ServerEvent) => void;
  /** There will be no more. */
  readonly end: () => void;
};

export type EventLogOptions = {
  /** Tells this start of the server from every other one. */
  readonly epoch: string;
  /** How many events are kept for clients that come back. */
  readonly kept?: number;
  readonly mostClients?: number;
};

const KEPT = 1000;
const MOST_CLIENTS = 100;

/** The latest events in memory, and the clients that follow them. */
export class EventLog {
  readonly #epoch: string;
  readonly #kept: number;
  readonly #mostClients: number;
  readonly #clients = new Set<EventClient>();
  /** A ring: the event of number n lies at n modulo its length. */
  readonly #events: ServerEvent[] = [];
  #last = 0;
  #isClosed = false;

  constructor({ epoch, kept = KEPT, mostClients = MOST_CLIENTS }: EventLogOptions) {
    this.#epoch = epoch;
    this.#kept = kept;
    this.#mostClients = mostClients;
  }

  publish<Name extends EventName>(name: Name, data: EventData[Name]): void {
    this.#last += 1;
    const event = { id: this.#idOf(this.#last), name, data };
    this.#events[this.#last % this.#kept] = event;
    for (const client of this.#clients) client.send(event);
  }

  /**
   * Lets the client have what happens from now on. `missed` is what happened after `lastId`, or one `reset` if that is not
   * known any more; for a new client, of null, nothing. Throws `request/events` if there are too many clients.
   */
  follow(client: EventClient, lastId: string | null) {
    if (this.#isClosed || this.#clients.size >= this.#mostClients) {
      throw new RequestError(
        'request/events',
        `the server has ${this.#clients.size} clients that follow its events, and takes no more`,
      );
    }
    this.#clients.add(client);
    return {
      missed: lastId === null ? [] : this.#missed(lastId),
      leave: () => {
        this.#clients.delete(client);
      },
    };
  }

  /** Ends every client, and takes no new one. */
  close(): void {
    this.#isClosed = true;
    for (const client of this.#clients) client.end();
    this.#clients.clear();
  }

  #missed(lastId: string): readonly ServerEvent[] {
    const [, epoch, digits] = /^(.+)-(\d{1,15})$/.exec(lastId) ?? [];
    const seen = Number(digits);
    const isKnown = epoch === this.#epoch && seen <= this.#last && this.#last - seen <= this.#kept;
    if (!isKnown) return [{ id: this.#idOf(this.#last), name: 'reset', data: {} }];
    return Array.from({ length: this.#last - seen }, (_, index) => seen + 1 + index).flatMap(
      (number) => this.#events[number % this.#kept] ?? [],
    );
  }

  #idOf(number: number): string {
    return `${this.#epoch}-${number}`;
  }
}
