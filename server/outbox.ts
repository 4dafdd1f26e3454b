import type { State, StoredVerb, VerbResult } from '../adapters/state/state.ts';
import type { AuditRecord } from '../core/audit.ts';
import type { PlanVerb } from '../core/plan.ts';
import { formatVerb, parseVerb } from '../core/verb-json.ts';
import { ServerError } from './errors.ts';
import type { AcceptedVerb, Fleet } from './fleet.ts';
import { Mutex } from './mutex.ts';

export type OutboxOptions = {
  readonly state: Pick<State, 'verbsBehind' | 'enqueueVerb' | 'finishVerb'>;
  readonly fleet: Fleet;
  /** As `readOutbox` found it. */
  readonly learntUpTo: number;
};

/** What the database has of verbs when a server starts. */
export type OutboxContent = {
  readonly pending: readonly AcceptedVerb[];
  /** The sequence up to which no verb is missing; those behind it are still to be learnt. */
  readonly learntUpTo: number;
};

/**
 * The server's one way to the verbs on its database, and what it knows of them in the fleet: one piece of work at a time, so
 * that nothing old is learnt after something new. None of it waits for the repository: a pause must get through at once.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #mutex = new Mutex();
  #learntUpTo: number;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#learntUpTo = options.learntUpTo;
  }

  /** Takes over what other servers accepted, and what became of all that waits. Throws StateError. */
  learn(): Promise<void> {
    return this.#mutex.run(() => this.#learn());
  }

  /** `work` knows of all that was accepted before, and alone adds to it. It may wait for nothing but the database. */
  exclusively<T>(work: () => Promise<T>): Promise<T> {
    return this.#mutex.run(async () => {
      await this.#learn();
      return work();
    });
  }

  /** The verb is durable and in force. Only `exclusively`. */
  async enqueue(verb: PlanVerb, record: AuditRecord): Promise<void> {
    const { state, fleet } = this.#options;
    const order = { id: verb.id, json: formatVerb(verb), acceptedAt: verb.at };
    const accepted = readVerb(await state.enqueueVerb(order, record));
    fleet.learn([accepted]);
    if (accepted.sequence === this.#learntUpTo + 1) this.#learntUpTo = accepted.sequence;
  }

  /** The verbs whose turn it is to be committed: none that was accepted before them is still to be learnt. */
  get next(): readonly PlanVerb[] {
    return this.#options.fleet.view.accepted.flatMap(({ sequence, verb, status }) =>
      status === 'pending' && sequence <= this.#learntUpTo ? [verb] : [],
    );
  }

  /** The verb waits no more. */
  finish(
    id: string,
    ...how: readonly [result: VerbResult, at: Date, record: AuditRecord]
  ): Promise<void> {
    const { state, fleet } = this.#options;
    return this.#mutex.run(async () => {
      fleet.learn([readVerb(await state.finishVerb(id, ...how))]);
    });
  }

  async #learn(): Promise<void> {
    const { state, fleet } = this.#options;
    const { accepted } = fleet.view;
    const [oldest] = accepted;
    const behind = Math.min(
      this.#learntUpTo,
      oldest === undefined ? Infinity : oldest.sequence - 1,
    );
    const stored = (await state.verbsBehind(behind)).map(readVerb);
    const found = new Set(stored.map(({ verb }) => verb.id));
    // Of a database that was set back.
    const lost = accepted.filter(({ verb }) => !found.has(verb.id));
    fleet.learn([...stored, ...lost.map((one) => ({ ...one, status: 'committed' as const }))]);
    this.#learntUpTo = Math.max(this.#learntUpTo, ...stored.map(({ sequence }) => sequence));
  }
}

/** Throws StateError, or ServerError if a verb cannot be read. */
export async function readOutbox(
  state: Pick<State, 'recentVerbs' | 'pendingVerbs'>,
): Promise<OutboxContent> {
  // In this order: what is accepted in between is behind it.
  const [last] = await state.recentVerbs(1);
  const pending = (await state.pendingVerbs()).map(readVerb);
  return { pending, learntUpTo: last?.sequence ?? 0 };
}

/** A verb that cannot be read must not be skipped: those behind it may build on it. */
function readVerb({ id, sequence, json, status }: StoredVerb): AcceptedVerb {
  try {
    return { sequence, verb: parseVerb(json), status: status.kind };
  } catch (cause) {
    throw new ServerError('server/outbox', `verb ${id} of the outbox cannot be read`, { cause });
  }
}
