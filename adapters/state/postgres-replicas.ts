import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { lockKey } from './postgres-driver.ts';
import { SessionClient, sessionConfig } from './postgres-pool.ts';
import { targetOf } from './postgres-target.ts';
import { newsSchema } from './replicas.ts';
import type { News, ReplicaEvents, Replicas, ReplicaStatus } from './replicas.ts';

/** How soon a server takes the lead after the leader's session ended, and notices that its own did. */
const BEAT_MS = 500;
const ANSWER_MS = 5000;
const CHANNEL = 'tidegate';

// So that the server frees the lock of a leader whose machine vanished after 15 seconds, not after two hours.
const SOON_NOTICED =
  'set tcp_keepalives_idle = 5; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 2';
const SEEK_LEAD = `select pg_try_advisory_lock(${lockKey('leader')}) as leads`;
const STILL_THERE = 'select true as leads';
const SAY = `select pg_notify('${CHANNEL}', current_schema() || '/' || news) from unnest($1::text[]) news`;
const WHO_AM_I = 'select pg_backend_pid() as pid, current_schema() as schema';
/** PostgreSQL takes less than 8000, with the name of the schema. */
const MOST_BYTES = 7000;
/** Of leases no more is kept while the session is lost: it would be old when it is said. */
const MOST_UNSAID = 1000;

const ownSchema = z.tuple([z.object({ pid: z.number(), schema: z.string() })]);
const leadSchema = z.tuple([z.object({ leads: z.boolean() })]);

/** Opens nothing yet: `start` does, and again whenever the session ends. */
export function postgresReplicas(url: string): Replicas {
  return new PostgresReplicas(url);
}

/** A session of its own, since a lock of leaders and the listening end with the session that holds them. */
class PostgresReplicas implements Replicas {
  readonly #url: string;
  readonly #stop = new AbortController();
  #status: ReplicaStatus = 'disconnected';
  /** What the others are still to be told, each text once. */
  #unsaid = new Set<string>();
  /** Aborted when the next beat should come at once. */
  #beat = new AbortController();
  #underWay: Promise<void> = Promise.resolve();

  constructor(url: string) {
    this.#url = url;
  }

  get status(): ReplicaStatus {
    return this.#status;
  }

  start(events: ReplicaEvents): void {
    this.#underWay = this.#keepSession(events);
  }

  notify(news: News): void {
    if (news.kind === 'leased' && this.#unsaid.size >= MOST_UNSAID) return;
    const text = JSON.stringify(news);
    if (Buffer.byteLength(text) > MOST_BYTES) return;
    this.#unsaid.add(text);
    this.#beat.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#underWay;
  }

  async #keepSession(events: ReplicaEvents): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const session = new SessionClient({
        ...sessionConfig(targetOf(this.#url), { lockMs: ANSWER_MS, statementMs: ANSWER_MS }),
      });
      const ended = new AbortController();
      session.on('error', () => {
        ended.abort();
      });
      try {
        await session.connect();
        await this.#live(session, events, AbortSignal.any([ended.signal, this.#stop.signal]));
      } catch {
        // Whatever it was ended the session. The state's own connections say why the database is away.
      }
      this.#become('disconnected', events);
      await session.end().catch(() => {});
      await pause(this.#stop.signal);
    }
  }

  async #live(session: SessionClient, events: ReplicaEvents, over: AbortSignal): Promise<void> {
    const { rows: identity } = await session.query(WHO_AM_I);
    const [{ pid, schema }] = ownSchema.parse(identity);
    session.on('notification', ({ processId, payload = '' }) => {
      const news = processId === pid ? null : readNews(payload, schema);
      if (news !== null) events.onNews(news);
    });
    await session.query(SOON_NOTICED);
    await session.query(`listen ${CHANNEL}`);
    this.#become('follows', events);
    events.onNews({ kind: 'changed' });
    // Nobody but this loop uses the session, one statement at a time.
    while (!over.aborted) {
      this.#beat = new AbortController();
      await this.#say(session);
      const leads = this.#status === 'leads';
      // The leader asks, too: an answer is the proof that its session lives.
      const { rows } = await session.query(leads ? STILL_THERE : SEEK_LEAD);
      if (leadSchema.parse(rows)[0].leads) this.#become('leads', events);
      await pause(AbortSignal.any([over, this.#beat.signal]));
    }
  }

  async #say(session: SessionClient): Promise<void> {
    const texts = [...this.#unsaid];
    if (texts.length === 0) return;
    // What is said again meanwhile is about something later.
    this.#unsaid = new Set();
    try {
      await session.query(SAY, [texts]);
    } catch (error) {
      this.#unsaid = new Set([...texts, ...this.#unsaid]);
      throw error;
    }
  }

  #become(status: ReplicaStatus, { onLead }: ReplicaEvents): void {
    const led = this.#status === 'leads';
    this.#status = status;
    if (led !== (status === 'leads')) onLead(status === 'leads');
  }
}

/** Until the next beat, or until the signal if that comes first. */
async function pause(signal: AbortSignal): Promise<void> {
  await sleep(BEAT_MS, undefined, { signal }).catch(() => {});
}

/** Null for what is not of this state's servers, or says what this one does not understand. */
function readNews(payload: string, schema: string): News | null {
  const prefix = `${schema}/`;
  if (!payload.startsWith(prefix)) return null;
  try {
    return newsSchema.parse(JSON.parse(payload.slice(prefix.length)));
  } catch {
    return null;
  }
}
