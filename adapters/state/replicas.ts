import { z } from 'zod';

export const newsSchema = z.discriminatedUnion('kind', [
  /** Verbs were accepted, or something was published. */
  z.object({ kind: z.literal('changed') }),
  /** Hosts failed, which may have to halt a rollout. */
  z.object({ kind: z.literal('failed') }),
  /** A host was given leases. */
  z.object({ kind: z.literal('leased'), hostId: z.string() }),
]);

/** What servers tell each other. */
export type News = z.infer<typeof newsSchema>;

export type ReplicaEvents = {
  /** Of another server; `changed` is said again after any time in which news may have been missed. */
  readonly onNews: (news: News) => void;
  /** This server leads from now on, or does not any more. */
  readonly onLead: (leads: boolean) => void;
};

export type ReplicaStatus =
  /** No other server can share the database. */
  'alone' | 'leads' | 'follows' | 'disconnected';

/**
 * The servers on one database. One of them leads. A server that lost its connection may believe so for some seconds after
 * another one took over, so what leaders do must bear being done twice. News may come late or not at all: whoever
 * listens must look by itself from time to time.
 */
export interface Replicas extends AsyncDisposable {
  readonly status: ReplicaStatus;
  /** Begins to listen and to seek the lead. Called once. */
  start(events: ReplicaEvents): void;
  /** Tells the other servers. Never fails: what they miss they find by themselves. */
  notify(news: News): void;
}

/** Whether this server does what one server on a database is enough for. */
export function leads({ status }: Pick<Replicas, 'status'>): boolean {
  return status === 'alone' || status === 'leads';
}

/** Of a database that only one server can use. */
export function aloneReplicas(): Replicas {
  return {
    status: 'alone',
    start: () => {},
    notify: () => {},
    [Symbol.asyncDispose]: async () => {},
  };
}
