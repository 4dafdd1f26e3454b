/** What servers tell each other: `changed` is that verbs were accepted or that something was published. */
export type Channel = 'changed';

export type ReplicaEvents = {
  /** Another server may have changed something; said again after any time in which news may have been missed. */
  readonly onNews: (channel: Channel) => void;
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
  notify(channel: Channel): void;
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
